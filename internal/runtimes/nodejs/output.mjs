// Whole lines on stdout and stderr, so that those of several threads never mix.

import { writeSync } from "node:fs";

const MAX_PENDING = 256 << 10;
const MAX_WAIT_MS = 1000;

/** Memory for the lock that all threads share; they write to the same pipes. */
export const newLock = () => new SharedArrayBuffer(8);

let lock = new Int32Array(newLock());
const pause = new Int32Array(new SharedArrayBuffer(4));

/** Uses the lock of the other threads. */
export const shareLock = (memory) => {
  lock = new Int32Array(memory);
};

function acquire() {
  if (Atomics.compareExchange(lock, 0, 0, 1) === 0) return;
  while (Atomics.exchange(lock, 0, 2) !== 0) {
    // A thread may have died with the lock: lines that mix are the lesser harm.
    if (Atomics.wait(lock, 0, 2, MAX_WAIT_MS) === "timed-out") return;
  }
}

function release() {
  if (Atomics.exchange(lock, 0, 0) === 2) Atomics.notify(lock, 0, 1);
}

function put(fd, data) {
  acquire();
  try {
    for (let at = 0; at < data.length; ) {
      try {
        at += writeSync(fd, data, at);
      } catch (error) {
        if (error.code !== "EAGAIN") return; // nobody reads any more; the function need not suffer
        Atomics.wait(pause, 0, 0, 1);
      }
    }
  } finally {
    release();
  }
}

/**
 * Writes one event to stdout, where each line is one: what would end a line within
 * it is a byte that no UTF-8 has, of which the agent makes a line's end again.
 */
export function writeLine(text) {
  const data = Buffer.from(text + "\n");
  for (let at = data.indexOf(10); at < data.length - 1; at = data.indexOf(10, at + 1)) data[at] = 0xff;
  put(1, data);
}

/** A stream's writing, a line at a time. */
class Lines {
  #pending = Buffer.alloc(0);

  constructor(fd) {
    this.fd = fd;
  }

  write(chunk, encoding) {
    const data = Buffer.concat([this.#pending, typeof chunk === "string" ? Buffer.from(chunk, encoding) : Buffer.from(chunk)]);
    let end = data.lastIndexOf(10) + 1;
    if (data.length - end > MAX_PENDING) end = data.length;
    this.#pending = data.subarray(end);
    if (end > 0) put(this.fd, data.subarray(0, end));
  }

  /** Ends a line that was left open. */
  finish() {
    if (this.#pending.length > 0) this.write("\n");
  }
}

let streams = [];

/** Makes process.stdout and process.stderr write whole lines at once. */
export function patchStreams() {
  streams = [
    [process.stdout, 1],
    [process.stderr, 2],
  ].map(([stream, fd]) => {
    const lines = new Lines(fd);
    stream.write = (chunk, encoding, done) => {
      if (typeof encoding === "function") [encoding, done] = [undefined, encoding];
      lines.write(chunk, encoding);
      if (done) process.nextTick(done);
      return true;
    };
    return lines;
  });
  process.on("exit", finishOutput);
}

export function finishOutput() {
  for (const lines of streams) lines.finish();
}
