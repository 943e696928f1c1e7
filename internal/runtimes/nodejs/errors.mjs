// Errors as AWS names and shapes them.

import { callbacks } from "./settings.mjs";

/** An error that is the platform's to name. */
export class Fault extends Error {
  constructor(name, message) {
    super(message);
    this.name = name;
    // In AWS's client of Node.js 20 and 22 the name is the class's; since, the error's own, so that logs have it.
    if (callbacks) Object.defineProperty(this, "name", { enumerable: false });
  }
}

/** The kind of an error as logs have it: its class's name, ours as AWS's classes are called. */
export function className(error) {
  if (!(error instanceof Fault)) return error.constructor?.name ?? "UnknownError";
  const name = error.name.replace("Runtime.", "");
  return !callbacks && SUFFIXED.includes(name) ? name + "Error" : name;
}

const SUFFIXED = ["HandlerNotFound", "MalformedHandlerName", "CallbackHandlerDeprecated"];

// AWS's text.
const UNREADABLE =
  "callback called with Error argument, but there was a problem while retrieving one or more of its message, name, and stack";

// DEL does not pass the service's own parsers, so AWS escapes it.
const clean = (text) => text?.replaceAll("\x7f", "%7F");

/** The body of an error as the caller gets it. */
export function errorBody(error) {
  try {
    if (error instanceof Error) {
      return {
        errorType: clean(error.name),
        errorMessage: clean(error.message),
        trace: clean(error.stack)?.split("\n") ?? [],
      };
    }
    return { errorType: typeof error, errorMessage: String(error), trace: [] };
  } catch {
    return { errorType: "handled", errorMessage: UNREADABLE, trace: [] };
  }
}

/** A thrown value as an Error. */
export const intoError = (value) => (value instanceof Error ? value : new Error(String(value)));

/** A rejection that nobody handled, as Node.js 20 and 22 report it. */
export function unhandledRejection(reason, promise) {
  return Object.assign(new Fault("Runtime.UnhandledPromiseRejection", reason?.toString()), { reason, promise });
}

/** JSON text of a result; `undefined` counts as null. */
export function encodeResult(value) {
  let text;
  try {
    text = JSON.stringify(value === undefined ? null : value);
  } catch {
    const message = "Unable to stringify response body";
    throw callbacks ? new Error(message) : new Fault("Runtime.JSONStringifyError", message);
  }
  if (text === undefined) throw new TypeError("Wrong arguments"); // a function or symbol, in AWS's words
  return text;
}

/** JSON text of an error as it is logged in text: with what was attached to it, if that can be told. */
export function encodeWhole(error) {
  try {
    return JSON.stringify(error, (_, value) => (value instanceof Error ? withAttached(value) : value));
  } catch {
    return JSON.stringify(errorBody(error));
  }
}

const withAttached = (error) => ({
  errorType: error.name,
  errorMessage: error.message,
  code: error.code,
  ...error,
  stack: typeof error.stack === "string" ? error.stack.split("\n") : undefined,
});

/** An error's name where it may stand in a header. */
export const headerText = (text) => String(text).replace(/[^\x20-\x7e]/g, "?").slice(0, 1024);
