// Answers that are sent while the handler still makes them.

import { Writable } from "node:stream";
import { finished } from "node:stream/promises";

import { Disconnected, invocationPath, postHead } from "./api.mjs";
import { errorBody, Fault, headerText } from "./errors.mjs";
import { HIGH_WATER_MARK, STREAMING } from "./handler.mjs";
import { logError } from "./logs.mjs";

const ERROR_TYPE = "Lambda-Runtime-Function-Error-Type";
const ERROR_BODY = "Lambda-Runtime-Function-Error-Body";

/** What a streaming handler writes to: one chunked post. */
class ResponseStream extends Writable {
  #connection;
  #path;
  #echo;
  #type = "application/octet-stream";
  #started = false;
  #headSent = false;
  #error = null;

  constructor(connection, { requestId, invocationId }, highWaterMark) {
    super({ highWaterMark, decodeStrings: true });
    this.#connection = connection;
    this.#path = invocationPath(requestId, "response");
    this.#echo = invocationId;
  }

  setContentType(type) {
    if (this.#started) throw new Fault("Runtime.InvalidStreamingOperation", "Cannot set content-type, too late.");
    this.#type = type;
  }

  /** Whether the connection has something of the answer. */
  get begun() {
    return this.#headSent;
  }

  write(chunk, encoding, done) {
    if (!this.#started) {
      this.#started = true;
      this._onBeforeFirstWrite?.((first) => super.write(first));
    }
    const plain = typeof chunk === "string" || chunk instanceof Uint8Array;
    return super.write(plain ? chunk : JSON.stringify(chunk), encoding, done);
  }

  /** Ends the answer with an error, whatever was sent before; one that has ended stays as it is. */
  fail(error) {
    if (this.writableEnded) return;
    this.#error = errorBody(error);
    this.end();
  }

  _write(chunk, _encoding, done) {
    this.#head();
    if (chunk.length === 0) {
      done(); // an empty chunk would be the body's end
      return;
    }
    this.#connection.write(`${chunk.length.toString(16)}\r\n`);
    this.#connection.write(chunk);
    this.#connection.write("\r\n", done);
  }

  _final(done) {
    this.#head();
    const lines = ["0"];
    if (this.#error) {
      lines.push(`${ERROR_TYPE}: ${headerText(this.#error.errorType)}`);
      lines.push(`${ERROR_BODY}: ${Buffer.from(JSON.stringify(this.#error)).toString("base64")}`);
    }
    this.#connection.write(lines.join("\r\n") + "\r\n\r\n", done);
  }

  #head() {
    if (this.#headSent) return;
    this.#headSent = this.#started = true;
    const lines = [
      `Content-Type: ${headerText(this.#type)}`,
      "Lambda-Runtime-Function-Response-Mode: streaming",
      "Transfer-Encoding: chunked",
      `Trailer: ${ERROR_TYPE}, ${ERROR_BODY}`,
    ];
    if (this.#echo) lines.push(`Lambda-Runtime-Invocation-Id: ${this.#echo}`);
    this.#connection.write(postHead(this.#path, lines));
  }
}

/** Runs a streaming handler; resolves when its whole answer is on its way. */
export async function stream(connection, run, event, highWaterMark) {
  const out = new ResponseStream(connection, event, highWaterMark);
  const forget = connection.onClose(() => out.destroy(new Disconnected("the caller's answer can't be sent any more")));
  const sent = finished(out).catch(() => {});
  try {
    const result = run(out);
    if (typeof result?.then !== "function") throw new Error("Streaming does not support non-async handlers.");
    if ((await result) !== undefined) console.warn("Streaming handlers ignore return values.");
    await sent;
    if (!out.writableFinished) throw new Error("Response stream is not finished.");
  } catch (error) {
    logError("Invoke Error", error);
    if (!out.destroyed) out.fail(error);
    await sent;
  } finally {
    forget();
    if (!out.writableFinished) connection.close(); // half an answer must not look like a whole one
  }
}

/** The global `awslambda` with which functions make streaming handlers. */
export function makeGlobal(store) {
  if (["1", "true"].includes(process.env.AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA)) return;
  globalThis.awslambda = {
    ...globalThis.awslambda,
    InvokeStore: store,
    HttpResponseStream,
    streamifyResponse(handler, options) {
      handler[STREAMING] = "response";
      if (typeof options?.highWaterMark === "number") handler[HIGH_WATER_MARK] = options.highWaterMark;
      return handler;
    },
  };
}

/** Puts the metadata of an HTTP answer before its body. */
class HttpResponseStream {
  static from(out, prelude) {
    out.setContentType("application/vnd.awslambda.http-integration-response");
    out._onBeforeFirstWrite = (write) => {
      write(JSON.stringify(prelude));
      write(new Uint8Array(8));
    };
    return out;
  }
}
