// Runs Node.js functions of Lamina against the Lambda Runtime API.
//
// With AWS_LAMBDA_MAX_CONCURRENCY set, the main thread starts worker threads and
// only watches them; each worker runs the function's own init and keeps several
// polls parked, one for each of its slots, so that all together are as many as
// the variable says. Without it, the function runs here, one event at a time.
//
// Standard library only. The file has the name of AWS's own, which shows in the
// text of an error for a missing module.

import { isMainThread, workerData } from "node:worker_threads";

import { managed } from "./settings.mjs";
import { supervise } from "./supervisor.mjs";
import { work } from "./worker.mjs";

if (managed && isMainThread) {
  supervise(new URL(import.meta.url));
} else {
  work(workerData); // not awaited: an event loop that runs empty must end in the function's way
}
