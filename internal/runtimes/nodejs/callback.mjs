// Ordinary functions of Node.js 20 and 22: handlers that answer by a callback,
// and what ends the process.

import { unhandledRejection } from "./errors.mjs";
import { finishOutput } from "./output.mjs";
import { logError } from "./logs.mjs";

/** Called when the event loop has run empty; of the invocation that runs, if one does. */
let onIdle = null;

process.on("beforeExit", () => onIdle?.());

/**
 * Runs a handler that may return a promise, call back, or use the context's done, succeed and fail: whichever comes
 * first. A result that is called back waits for the event loop to run empty, if not told otherwise; an error never does.
 */
export function runWithCallback(handler, event, context) {
  let waits = true;
  Object.defineProperty(context, "callbackWaitsForEmptyEventLoop", {
    enumerable: true,
    get: () => waits,
    set: (value) => (waits = value),
  });
  return new Promise((resolve, reject) => {
    let called = false;
    const settle = (error, result) => {
      called = true; // for what calls back when its invocation is over
      onIdle = null;
      if (isNone(error)) resolve(result);
      else reject(tellable(error));
    };
    onIdle = () => settle(null, null);
    const answer = (error, result, waiting) => {
      if (called) return;
      called = true;
      if (waiting && isNone(error)) onIdle = () => settle(null, result);
      else settle(error, result);
    };
    const callback = (error, result) => answer(error, result, waits);
    context.done = (error, result) => answer(error, result, false);
    context.succeed = (result) => answer(null, result, false);
    context.fail = (error) => answer(error ?? "handled", null, false);
    try {
      const returned = handler(event, context, callback);
      if (typeof returned?.then === "function") returned.then(context.succeed, context.fail);
    } catch (error) {
      callback(error);
    }
  });
}

const isNone = (error) => error === undefined || error === null;

/** The error; if it has no text, e.g. a symbol, then what AWS's client trips over with it. */
function tellable(error) {
  if (error instanceof Error) return error;
  try {
    new Error(error);
    return error;
  } catch (cause) {
    return cause;
  }
}

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
