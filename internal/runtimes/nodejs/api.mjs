// One keep-alive connection to the Runtime API, with no more of HTTP than that needs.

import { connect } from "node:net";

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

/** A whole post of a JSON text. */
export function post(path, body, headers = {}) {
  const lines = ["Content-Type: application/json", `Content-Length: ${Buffer.byteLength(body)}`];
  for (const name in headers) if (headers[name]) lines.push(`${name}: ${headers[name]}`);
  return postHead(path, lines) + body;
}

export const invocationPath = (requestId, what) => `invocation/${encodeURIComponent(requestId)}/${what}`;

/** Requests go out as they are written; answers come back in the same order. */
export class Connection {
  #socket;
  #chunks = []; // received and not yet part of an answer
  #size = 0;
  #head = null; // of the answer whose body is awaited
  #answers = [];
  #waiting = null;
  #gone = null;

  /** Resolves once connected. */
  open() {
    return new Promise((resolve, reject) => {
      const socket = connect({ host, port, noDelay: true });
      this.#socket = socket;
      let cause;
      socket.once("connect", resolve);
      socket.on("error", (error) => (cause = error));
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

  /** The next answer: status, headers with lower-case names, body. */
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
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    while (this.#size > 0) {
      if (!this.#head && !this.#readHead()) return;
      if (this.#size < this.#head.length) return;
      const data = this.#all();
      const { status, headers, length } = this.#head;
      this.#head = null;
      this.#keep(data.subarray(length));
      this.#deliver({ status, headers, body: data.subarray(0, length) });
    }
  }

  #all() {
    return this.#chunks.length === 1 ? this.#chunks[0] : Buffer.concat(this.#chunks);
  }

  #keep(rest) {
    this.#chunks = rest.length > 0 ? [rest] : [];
    this.#size = rest.length;
  }

  #readHead() {
    const data = this.#all();
    const end = data.indexOf("\r\n\r\n");
    if (end < 0) {
      this.#keep(data);
      return false;
    }
    const lines = data.latin1Slice(0, end).split("\r\n");
    const headers = {};
    for (let i = 1; i < lines.length; i++) {
      const at = lines[i].indexOf(":");
      headers[lines[i].slice(0, at).toLowerCase()] = lines[i].slice(at + 1).trim();
    }
    const status = parseInt(lines[0].slice(9, 12), 10);
    const length = parseInt(headers["content-length"], 10);
    if (!(length >= 0)) {
      this.close();
      return false;
    }
    this.#head = { status, headers, length };
    this.#keep(data.subarray(end + 4));
    return true;
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

/** Posts once, on a connection of its own; gives the status, 0 when that failed. */
export async function postOnce(path, body, headers) {
  const connection = new Connection();
  try {
    await connection.open();
    connection.write(post(path, body, headers));
    return (await connection.read()).status;
  } catch {
    return 0;
  } finally {
    connection.close();
  }
}
