// One keep-alive connection to the Runtime API, with no more of HTTP than that needs.

import { connect } from "node:net";

import { headerText } from "./errors.mjs";

const ROOT = "/2018-06-01/runtime/";
const AGENT = "lamina-nodejs";

/** The Runtime API has closed the connection, or was never there. */
export class Disconnected extends Error {}

const authority = process.env.AWS_LAMBDA_RUNTIME_API ?? "";
const colon = authority.lastIndexOf(":");
const host = authority.slice(0, colon).replace(/^\[|\]$/g, "");
const port = Number(authority.slice(colon + 1));

const COMMON = ` HTTP/1.1\r\nHost: ${authority}\r\nUser-Agent: ${AGENT}\r\n`;

/** The request for the next event. */
export const NEXT = `GET ${ROOT}invocation/next${COMMON}\r\n`;

/** The head of a post; lines are further headers. */
export const postHead = (path, lines) => `POST ${ROOT}${path}${COMMON}${lines.join("\r\n")}\r\n\r\n`;

/** A whole post of a JSON text; more is further headers, each line with its end. */
export const post = (path, body, more = "") =>
  `POST ${ROOT}${path}${COMMON}Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${more}\r\n${body}`;

export const invocationPath = (requestId, what) => `invocation/${encodeURIComponent(requestId)}/${what}`;

// The headers that matter, by the names that servers use; others may write them differently.
const FIELDS = {
  "Lambda-Runtime-Aws-Request-Id": "requestId",
  "Lambda-Runtime-Invocation-Id": "invocationId",
  "Lambda-Runtime-Deadline-Ms": "deadline",
  "Lambda-Runtime-Invoked-Function-Arn": "functionArn",
  "Lambda-Runtime-Trace-Id": "traceId",
  "Lambda-Runtime-Client-Context": "clientContext",
  "Lambda-Runtime-Cognito-Identity": "cognitoIdentity",
  "Lambda-Runtime-Aws-Tenant-Id": "tenantId",
  "Content-Length": "length",
};
for (const name of Object.keys(FIELDS)) FIELDS[name.toLowerCase()] = FIELDS[name];

/** One answer of the Runtime API; absent headers are undefined. */
class Answer {
  status = 0;
  requestId = undefined;
  invocationId = undefined;
  deadline = undefined;
  functionArn = undefined;
  traceId = undefined;
  clientContext = undefined;
  cognitoIdentity = undefined;
  tenantId = undefined;
  length = undefined;
  #data;
  #from;

  constructor(data, from, head) {
    const lines = head.split("\r\n");
    this.status = Number(lines[0].slice(9, 12));
    for (let i = 1; i < lines.length; i++) {
      const line = lines[i];
      const colon = line.indexOf(":");
      const name = line.slice(0, colon);
      const field = FIELDS[name] ?? FIELDS[name.toLowerCase()];
      if (field) this[field] = line.slice(colon + 1).trim();
    }
    this.length = Number(this.length);
    this.#data = data;
    this.#from = from;
  }

  get end() {
    return this.#from + this.length;
  }

  /** The body as text. */
  text() {
    return this.#data.utf8Slice(this.#from, this.end);
  }
}

const HEAD_END = Buffer.from("\r\n\r\n");

/** Requests go out as they are written; answers come back in the same order. */
export class Connection {
  #socket;
  #held = []; // the beginning of an answer
  #size = 0; // of it
  #needed = 0; // size from which on it may be whole
  #answers = [];
  #waiting = null;
  #gone = null;
  /** Nobody listens there: no retry will help. */
  refused = false;

  /** Resolves once connected. */
  open() {
    return new Promise((resolve, reject) => {
      const socket = connect({ host, port, noDelay: true });
      this.#socket = socket;
      let cause;
      socket.once("connect", resolve);
      socket.on("error", (error) => {
        cause = error;
        this.refused = error.code === "ECONNREFUSED";
      });
      socket.once("close", () => {
        this.#lose(cause?.message ?? "closed");
        reject(this.#gone);
      });
      socket.on("data", (chunk) => this.#take(chunk));
    });
  }

  get gone() {
    return this.#gone !== null;
  }

  /** Writes text (UTF-8) or bytes; false when the other side should first read. */
  write(data, done) {
    return this.#socket.write(data, done);
  }

  /** The next answer. */
  read() {
    if (this.#answers.length > 0) return Promise.resolve(this.#answers.shift());
    if (this.#gone) return Promise.reject(this.#gone);
    return new Promise((resolve, reject) => (this.#waiting = { resolve, reject }));
  }

  /** Calls f when the connection goes. */
  onClose(f) {
    this.#socket.once("close", f);
    return () => this.#socket.off("close", f);
  }

  // An ordinary function's event loop may run empty while it has the event.
  ref() {
    this.#socket.ref();
  }

  unref() {
    this.#socket.unref();
  }

  close() {
    this.#lose("closed here");
    this.#socket?.destroy();
  }

  #lose(reason) {
    this.#gone ??= new Disconnected(`the Runtime API's connection: ${reason}`);
    this.#waiting?.reject(this.#gone);
    this.#waiting = null;
  }

  #take(chunk) {
    let data = chunk;
    if (this.#size > 0) {
      this.#held.push(chunk);
      this.#size += chunk.length;
      if (this.#size < this.#needed) return;
      data = Buffer.concat(this.#held);
      this.#hold([], 0, 0);
    }
    for (let at = 0; at < data.length; ) {
      const end = data.indexOf(HEAD_END, at);
      if (end < 0) {
        this.#hold([data.subarray(at)], data.length - at, data.length - at + 1);
        return;
      }
      const answer = new Answer(data, end + HEAD_END.length, data.latin1Slice(at, end));
      if (!(answer.length >= 0)) {
        this.close();
        return;
      }
      if (answer.end > data.length) {
        this.#hold([data.subarray(at)], data.length - at, answer.end - at);
        return;
      }
      at = answer.end;
      this.#deliver(answer);
    }
  }

  #hold(held, size, needed) {
    this.#held = held;
    this.#size = size;
    this.#needed = needed;
  }

  #deliver(answer) {
    if (!this.#waiting) {
      this.#answers.push(answer);
      return;
    }
    this.#waiting.resolve(answer);
    this.#waiting = null;
  }
}

/**
 * False once nobody listens where the Runtime API was. Whoever listens there next
 * is somebody else, whose events are none of ours.
 */
export async function served() {
  const connection = new Connection();
  try {
    await connection.open();
    return true;
  } catch {
    return !connection.refused;
  } finally {
    connection.close();
  }
}

/** Posts an error once, on a connection of its own; gives the status, 0 when that failed. */
export async function postOnce(path, body, errorType) {
  const connection = new Connection();
  try {
    await connection.open();
    connection.write(post(path, body, `Lambda-Runtime-Function-Error-Type: ${headerText(errorType)}\r\n`));
    return (await connection.read()).status;
  } catch {
    return 0;
  } finally {
    connection.close();
  }
}
