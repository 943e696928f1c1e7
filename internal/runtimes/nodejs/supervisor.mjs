// The main thread of many workers: reports the invocations of one that died, and
// puts another in its place.

import { Worker } from "node:worker_threads";

import { invocationPath, postOnce } from "./api.mjs";
import { logFor } from "./logs.mjs";
import { newLock, patchStreams, shareLock } from "./output.mjs";
import { heapMB, slots, workerCount } from "./settings.mjs";
import { newSlots, Slots } from "./slots.mjs";

// How long a worker that fails to start is given before the next try (chosen).
const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 5000;

/** Starts the workers and stays with them; script is what each runs. */
export function supervise(script) {
  const lock = newLock();
  shareLock(lock);
  patchStreams();
  // As the sandbox's first process it has no default for signals.
  process.on("SIGTERM", () => process.exit(143));
  const memory = newSlots(slots);
  const count = workerCount();
  const crew = { everReady: false, living: 0 };
  for (let i = 0, first = 0; i < count; i++) {
    const size = Math.floor(slots / count) + (i < slots % count ? 1 : 0);
    new Place(script, crew, { lock, slots: memory, first, count: size }).start();
    first += size;
  }
}

/** One worker's place, and whoever fills it. */
class Place {
  #failures = 0;

  constructor(script, crew, share) {
    Object.assign(this, { script, crew, share });
    this.running = new Slots(share.slots, share.first, share.count);
  }

  start() {
    this.crew.living++;
    this.ready = false;
    this.uncaught = null;
    const worker = new Worker(this.script, { workerData: this.share, execArgv: [], resourceLimits: { maxOldGenerationSizeMb: heapMB } });
    worker.on("message", (message) => this.#hear(message));
    worker.on("error", (error) => (this.error = error));
    worker.on("exit", (code) => this.#replace(code));
  }

  #hear(message) {
    if (message?.ready) {
      this.ready = this.crew.everReady = true;
      this.#failures = 0;
    }
    if (message?.uncaught) this.uncaught = message;
  }

  async #replace(code) {
    this.crew.living--;
    const { uncaught, error } = this;
    this.error = null;
    if (uncaught) logFor(uncaught.requestId, uncaught.uncaught);
    else if (error) logFor("", { errorType: error.code ?? error.name, errorMessage: error.message });
    const reports = this.running.takeRunning().map((id) => report(id, code));
    if (!this.ready) {
      this.#failures++;
      // Nobody has ever come up: init has failed.
      if (!this.crew.everReady && this.crew.living === 0) process.exit(1);
      if (!this.crew.everReady) return;
    }
    await Promise.all(reports);
    const delay = this.#failures > 0 ? Math.min(FIRST_DELAY_MS * 2 ** (this.#failures - 1), MAX_DELAY_MS) : 0;
    setTimeout(() => this.start(), delay);
  }
}

/** Tells a caller at once, who on AWS waits for the timeout. */
async function report(requestId, code) {
  const errorMessage = `RequestId: ${requestId} Error: Runtime exited with error: exit status ${code}`;
  const body = { errorType: "Runtime.ExitError", errorMessage };
  logFor(requestId, body);
  await postOnce(invocationPath(requestId, "error"), JSON.stringify(body), body.errorType);
}
