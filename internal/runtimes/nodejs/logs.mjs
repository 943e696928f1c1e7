// console.*, as AWS formats it.

import { format } from "node:util";

import { className, encodeWhole, intoError } from "./errors.mjs";
import { writeLine } from "./output.mjs";
import { callbacks, managed } from "./settings.mjs";
import { store } from "./store.mjs";

// Managed Instances have JSON logs only.
const json = managed || process.env.AWS_LAMBDA_LOG_FORMAT?.toUpperCase() === "JSON";

const LEVELS = { TRACE: 1, DEBUG: 2, INFO: 3, WARN: 4, ERROR: 5, FATAL: 6 };
const least = LEVELS[process.env.AWS_LAMBDA_LOG_LEVEL?.toUpperCase()] ?? LEVELS.TRACE;

const METHODS = { trace: "TRACE", debug: "DEBUG", info: "INFO", warn: "WARN", error: "ERROR", fatal: "FATAL" };

/** Gives console.* AWS's format and drops what is below the function's level. */
export function patchConsole() {
  for (const [method, level] of Object.entries(METHODS)) {
    console[method] = LEVELS[level] < least ? () => {} : (message, ...rest) => log(level, message, rest);
  }
  console.log = console.info;
}

function log(level, message, rest) {
  const time = new Date().toISOString();
  writeLine(json ? jsonLine(time, level, message, rest) : textLine(time, level, message, rest));
}

// What is logged outside an invocation; the client of Node.js 22 and before has "undefined".
const noRequest = callbacks ? undefined : "-";
const requestId = () => (store.hasContext() ? store.getRequestId() : noRequest);

function textLine(time, level, message, rest) {
  return [time, String(requestId()), level, format(message, ...rest)].join("\t");
}

function jsonLine(timestamp, level, message, rest) {
  const line = { timestamp, level, requestId: requestId() };
  const tenant = store.getTenantId();
  if (tenant) line.tenantId = tenant;
  if (rest.length > 0) {
    line.message = format(message, ...rest);
    const error = rest.find((value) => value instanceof Error);
    if (error) Object.assign(line, errorFields(error));
    return JSON.stringify(line);
  }
  line.message = message;
  try {
    return JSON.stringify(line, (_, value) => (value instanceof Error ? { ...errorFields(value), ...value } : value));
  } catch {
    line.message = format(message); // circular, or with a BigInt
    return JSON.stringify(line);
  }
}

function errorFields(error) {
  return {
    errorType: className(error),
    errorMessage: error.message,
    stackTrace: typeof error.stack === "string" ? error.stack.split("\n") : [],
  };
}

/** Logs an error that the function did not catch; title names it in text logs. */
export function logError(title, value) {
  const error = intoError(value);
  if (json) {
    console.error(error);
    return;
  }
  console.error(title, "\t" + encodeWhole(error));
}

/** Logs for a thread that is not there any more. */
export function logFor(requestId, error) {
  const line = { timestamp: new Date().toISOString(), level: "ERROR", requestId: requestId || "-", message: error };
  if (LEVELS.ERROR >= least) writeLine(JSON.stringify(line));
}
