// Records for the engine of `lamina check`: one JSON object a line, each whole in one write.

import { constants, openSync, writeSync } from "node:fs";
import { threadId } from "node:worker_threads";

const MAX_RECORD = 4096; // bytes with the newline: what a pipe keeps whole
const MAX_TEXT = 512; // characters of a value
const write = writeSync; // what the function sees is patched
const soon = setImmediate;

export class Report {
  #fd;
  #task;
  #held = ""; // records of this turn of the loop
  #due = false;

  constructor(path, task) {
    this.#fd = openSync(path, constants.O_WRONLY | constants.O_APPEND);
    this.#task = task.endsWith("/") ? task : task + "/";
    process.once("exit", () => this.flush());
  }

  /** place is {file, line}, both optional. */
  put(kind, requestId, name, place, detail) {
    const record = { t: now(), pid: process.pid, worker: threadId, requestId: requestId ?? "", kind };
    if (name) record.name = clip(name);
    if (place?.file) {
      record.file = place.file.startsWith(this.#task) ? place.file.slice(this.#task.length) : place.file;
      if (place.line) record.line = place.line;
    }
    if (detail) record.detail = detail;
    let line = encode(record);
    if (Buffer.byteLength(line) > MAX_RECORD) {
      delete record.detail;
      line = encode(record);
    }
    if (Buffer.byteLength(this.#held) + Buffer.byteLength(line) > MAX_RECORD) this.flush();
    this.#held += line;
    if (this.#due) return;
    this.#due = true;
    soon(() => {
      this.#due = false;
      this.flush();
    }).unref();
  }

  /** Writes what this turn of the loop has put. */
  flush() {
    if (this.#held === "") return;
    try {
      write(this.#fd, this.#held);
    } catch {
      // nobody listens any more
    }
    this.#held = "";
  }

  /** The innermost place in the function's own code of what runs now. */
  place() {
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 30;
    const { stack } = new Error();
    Error.stackTraceLimit = limit;
    for (const line of stack.split("\n")) {
      const at = line.indexOf(this.#task);
      if (at < 0 || line.includes("/node_modules/")) continue;
      const found = /^(.*?):(\d+):\d+\)?$/.exec(line.slice(at));
      if (found) return { file: found[1], line: Number(found[2]) };
    }
    return {};
  }
}

// Unix nanoseconds do not fit into a number: the JSON gets them as digits.
const now = () => Math.round((performance.timeOrigin + performance.now()) * 1000);

const encode = (record) => JSON.stringify(record).replace(/^\{"t":(\d+)/, '{"t":$1000') + "\n";

export const clip = (text) => (text.length <= MAX_TEXT ? text : text.slice(0, MAX_TEXT - 1) + "…");
