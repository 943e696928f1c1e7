// Finds the function's handler: module, export, kind.

import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

import { Fault } from "./errors.mjs";
import { callbacks } from "./settings.mjs";

/** Marks a handler that streams; streamifyResponse sets it. */
export const STREAMING = Symbol.for("aws.lambda.runtime.handler.streaming");
export const HIGH_WATER_MARK = Symbol.for("aws.lambda.runtime.handler.streaming.highWaterMark");

const require = createRequire(new URL("./index.mjs", import.meta.url));

// AWS's order.
const EXTENSIONS = ["", ".js", ".mjs", ".cjs"];

/** The handler, `streaming` telling whether it gets a stream for its answer. */
export async function loadHandler(root, name) {
  const { folder, file, keys } = split(name);
  const handler = pick(await loadModule(root, folder, file), keys, name);
  const streaming = streams(handler);
  if (!callbacks && !streaming && handler.length >= 3) {
    throw new Fault("Runtime.CallbackHandlerDeprecated", noCallbacks());
  }
  return { handler, streaming, highWaterMark: Number(handler[HIGH_WATER_MARK]) || undefined };
}

/** folder/file.key.key, the file's name without its extension. */
function split(name) {
  if (name.includes("..")) {
    throw new Fault(
      "Runtime.MalformedHandlerName",
      `'${name}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`,
    );
  }
  const base = path.basename(name);
  const dot = base.indexOf(".");
  if (dot < 0) throw new Fault("Runtime.MalformedHandlerName", "Bad handler");
  return { folder: name.slice(0, name.indexOf(base)), file: base.slice(0, dot), keys: base.slice(dot + 1).split(".") };
}

async function loadModule(root, folder, file) {
  const whole = path.resolve(root, folder, file);
  try {
    // A folder, too, and a file of that name before it: AWS imports since Node.js 24 only.
    if (callbacks && existsSync(whole)) return require(whole);
    for (const extension of EXTENSIONS) {
      if (existsSync(whole + extension)) return await import(pathToFileURL(whole + extension).href);
    }
    return require(require.resolve(file, { paths: [root, path.join(root, folder)] }));
  } catch (error) {
    throw explain(error);
  }
}

/** Names an error of loading; AWS leaves those of ESM imports as they are. */
function explain(error) {
  if (error instanceof SyntaxError) {
    const fault = new Fault("Runtime.UserCodeSyntaxError", String(error));
    if (!callbacks) fault.stack = error.stack;
    return fault;
  }
  if (error?.code === "MODULE_NOT_FOUND") return new Fault("Runtime.ImportModuleError", String(error));
  return error;
}

function pick(module, keys, name) {
  const handler = follow(module, keys) || follow(module?.default, keys);
  if (!handler) throw new Fault("Runtime.HandlerNotFound", `${name} is undefined or not exported`);
  if (typeof handler !== "function") throw new Fault("Runtime.HandlerNotFound", `${name} is not a function`);
  return handler;
}

const follow = (value, keys) => keys.reduce((at, key) => (at && typeof at === "object" ? at[key] : undefined), value);

function streams(handler) {
  const kind = handler[STREAMING];
  if (!kind) return false;
  if (kind !== "response") throw new Fault("Runtime.MalformedStreamingHandler", "Only response streaming is supported.");
  return true;
}

// AWS's texts.
const noCallbacks = () =>
  (process.env.AWS_EXECUTION_ENV === "AWS_Lambda_nodejs22.x"
    ? "ERROR: AWS Lambda does not support callback-based function handlers when using Node.js 22 with Managed Instances. To use Managed Instances, modify this function to use a supported handler signature."
    : "ERROR: AWS Lambda has removed support for callback-based function handlers starting with Node.js 24. You need to modify this function to use a supported handler signature to use Node.js 24 or later.") +
  " For more information see https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html.";
