// Loads the function and feeds it events: in a worker thread for its share of
// the slots, or in the main thread for one.

import { parentPort } from "node:worker_threads";

import { Connection, Disconnected, invocationPath, NEXT, post, postOnce } from "./api.mjs";
import { endOnUncaught, runWithCallback } from "./callback.mjs";
import { makeContext } from "./context.mjs";
import { encodeResult, errorBody } from "./errors.mjs";
import { loadHandler } from "./handler.mjs";
import { logError, patchConsole } from "./logs.mjs";
import { finishOutput, patchStreams, shareLock } from "./output.mjs";
import { callbacks, managed } from "./settings.mjs";
import { Slots } from "./slots.mjs";
import { REQUEST_ID, store, TENANT_ID, TRACE_ID } from "./store.mjs";
import { makeGlobal, stream } from "./stream.mjs";

const env = process.env;

// A lost connection is made again, the first time at once (the figures are chosen).
const RETRIES = 5;
const FIRST_DELAY_MS = 50;

/** Runs until the Runtime API is gone; share is a worker thread's part. */
export async function work(share) {
  patchStreams();
  patchConsole();
  makeGlobal(store);
  if (share) {
    shareLock(share.lock);
    tellUncaught();
  } else {
    endOnSignal();
  }
  delete env.LAMINA_VCPUS;
  const slots = [];
  if (callbacks) endOnUncaught((error) => (slots.length > 0 ? slots[0].reportUncaught(error) : initFailed(error)));
  const check = env.LAMINA_CHECK && (await import("./check/watch.mjs")).watch(env.LAMINA_CHECK);
  delete env.LAMINA_CHECK;
  let fn;
  try {
    fn = await loadHandler(env.LAMBDA_TASK_ROOT, env._HANDLER);
    if (check) fn = check.around(fn);
  } catch (error) {
    logError("Init Error", error);
    await initFailed(error);
    process.exit(1);
  }
  finishOutput();
  const running = share && new Slots(share.slots, share.first, share.count);
  const open = async () => {
    const slot = new Slot(fn, running, slots.length);
    slots.push(slot);
    await slot.run(() => parentPort?.postMessage({ polls: true }));
    process.exit(1); // the environment is being torn down, or gets a new worker
  };
  if (share) {
    parentPort.on("message", open);
    parentPort.postMessage({ ready: true });
  } else {
    await open();
  }
}

async function initFailed(error) {
  finishOutput();
  const body = errorBody(error);
  // Answered 403 when another worker was first: no matter.
  await postOnce("init/error", JSON.stringify(body), body.errorType);
}

/** As the sandbox's first process it has no default for signals; the function may have a listener of its own. */
function endOnSignal() {
  process.on("SIGTERM", () => {
    if (process.listenerCount("SIGTERM") === 1) process.exit(143);
  });
}

/** Lets the main thread say which invocation an uncaught error came from. */
function tellUncaught() {
  process.on("uncaughtExceptionMonitor", (error) => {
    finishOutput();
    parentPort.postMessage({ uncaught: errorBody(error), requestId: store.get(REQUEST_ID) });
  });
}

/** One event at a time, on a connection of its own. */
class Slot {
  constructor(fn, running, index) {
    Object.assign(this, { fn, running, index });
    this.connection = null;
    this.requestId = this.out = undefined; // of the running invocation, where there is one at a time
    this.ending = false;
  }

  /** Runs events until the Runtime API can't be reached any more; polls is called at the first poll. */
  async run(polls) {
    for (let failures = 0; failures <= RETRIES; failures++) {
      if (failures > 1) await new Promise((resolve) => setTimeout(resolve, FIRST_DELAY_MS << failures));
      try {
        this.connection = new Connection();
        await this.connection.open();
        this.connection.write(NEXT, polls);
        polls = undefined;
        for (;;) {
          await this.#one();
          failures = 0;
        }
      } catch (error) {
        if (!this.connection.gone) throw error;
        if (this.connection.refused) return;
      }
    }
  }

  /** Awaits one event and answers it; the answer and the next poll go out together. */
  async #one() {
    const event = await this.connection.read();
    if (event.status !== 200) {
      this.connection.close();
      throw new Disconnected(`a poll was answered ${event.status}`);
    }
    this.running?.begin(this.index, event.requestId);
    if (!managed) this.#enter(event);
    const answer = await this.#answer(event);
    if (this.ending) return new Promise(() => {}); // the process is about to exit
    if (!managed) this.#leave();
    this.connection.write(answer + NEXT);
    try {
      const reply = await this.connection.read();
      if (reply.status >= 300) {
        console.error(`RequestId: ${event.requestId} the Runtime API answered ${reply.status}: ${reply.text().trim()}`);
      }
    } finally {
      this.running?.end(this.index);
    }
  }

  /** Sets what only one invocation at a time can have. */
  #enter({ requestId, traceId }) {
    this.requestId = requestId;
    if (!this.fn.streaming) this.connection.unref(); // a stream that is never ended runs into the timeout
    if (traceId) env._X_AMZN_TRACE_ID = traceId;
    else delete env._X_AMZN_TRACE_ID;
  }

  #leave() {
    this.requestId = this.out = undefined;
    this.connection.ref();
  }

  /** Text to send as the answer; "" when a stream has sent it. */
  async #answer(event) {
    const current = { [REQUEST_ID]: event.requestId, [TRACE_ID]: event.traceId };
    if (event.tenantId) current[TENANT_ID] = event.tenantId;
    try {
      const result = await store.run(current, () => this.#handle(event));
      if (this.fn.streaming) return "";
      if (!callbacks) await turn();
      return post(invocationPath(event.requestId, "response"), encodeResult(result), echo(event));
    } catch (error) {
      if (!callbacks) await turn();
      store.run(current, () => logError("Invoke Error", error));
      return failure(event, error);
    } finally {
      finishOutput();
    }
  }

  /** Calls the handler, in the way that it wants. */
  #handle(event) {
    const payload = JSON.parse(event.text());
    const context = makeContext(event);
    const { handler, streaming, highWaterMark } = this.fn;
    if (streaming) {
      const run = (out) => {
        this.out = out;
        return handler(payload, out, context);
      };
      return stream(this.connection, run, event, highWaterMark);
    }
    return callbacks ? runWithCallback(handler, payload, context) : handler(payload, context);
  }

  /** Answers the running invocation with an error that its handler could not catch; what the handler still does is lost. */
  async reportUncaught(error) {
    if (!this.requestId) {
      await initFailed(error);
      return;
    }
    this.ending = true;
    this.connection.ref();
    if (!this.out?.begun) this.connection.write(failure(this, error));
    else if (this.out.destroyed) this.connection.close();
    else this.out.fail(error);
    await this.connection.read().catch(() => {});
  }
}

let round = null;

/**
 * Lets the event loop go round, once for all slots that wait: as with AWS's client since Node.js 24, what has already
 * gone wrong beside the handler, e.g. a rejection that nobody handles, ends the thread before it can answer.
 */
const turn = () =>
  (round ??= new Promise((resolve) =>
    setImmediate(() => {
      round = null;
      resolve();
    }),
  ));

const echo = ({ invocationId }) => (invocationId ? `Lambda-Runtime-Invocation-Id: ${invocationId}\r\n` : "");

// The error's own type stays in the body: AWS's client sends no type header.
const failure = (event, error) => post(invocationPath(event.requestId, "error"), JSON.stringify(errorBody(error)), echo(event));
