// Ordinary functions of Node.js 20 and 22: handlers that answer by a callback,
// and what ends the process.

import { unhandledRejection } from "./errors.mjs";
import { finishOutput } from "./output.mjs";
import { logError } from "./logs.mjs";

/** Called when the event loop has run empty; of the invocation that runs, if one does. */
let onIdle = null;

process.on("beforeExit", () => onIdle?.());

/** Runs a handler that may return a promise, call back, or use the context's done, succeed and fail. */
export function runWithCallback(handler, event, context) {
  let waits = true;
  Object.defineProperty(context, "callbackWaitsForEmptyEventLoop", {
    enumerable: true,
    get: () => waits,
    set: (value) => (waits = value),
  });
  return new Promise((resolve, reject) => {
    const settle = (error, result) => {
      onIdle = null;
      if (error !== undefined && error !== null) reject(error);
      else resolve(result);
    };
    onIdle = () => settle(null, null);
    let called = false;
    const callback = (error, result) => {
      if (called) return;
      called = true;
      if (waits) onIdle = () => settle(error, result);
      else setImmediate(settle, error, result);
    };
    context.done = (error, result) => {
      waits = false;
      callback(error, result);
    };
    context.succeed = (result) => context.done(null, result);
    context.fail = (error) => context.done(error ?? "handled");
    const returned = handler(event, context, callback);
    if (typeof returned?.then === "function") returned.then((result) => settle(null, result), settleWith(reject));
  });
}

const settleWith = (reject) => (error) => {
  onIdle = null;
  reject(error);
};

// AWS's exit codes.
const UNHANDLED_REJECTION = 128;
const UNCAUGHT_EXCEPTION = 129;

/** Ends the process after an error that nobody caught; report tells the Runtime API first. */
export function endOnUncaught(report) {
  const end = async (title, error, code) => {
    logError(title, error);
    finishOutput();
    await report(error);
    process.exit(code);
  };
  process.on("uncaughtException", (error) => end("Uncaught Exception", error, UNCAUGHT_EXCEPTION));
  process.on("unhandledRejection", (reason, promise) =>
    end("Unhandled Promise Rejection", unhandledRejection(reason, promise), UNHANDLED_REJECTION),
  );
}
