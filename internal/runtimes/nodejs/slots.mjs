// What each slot is doing, in memory that the threads share: when a worker dies,
// the main thread still knows which invocations it had.

const SIZE = 128; // one byte for the id's length, the rest for the id
const MOST = SIZE - 1;

export const newSlots = (count) => new SharedArrayBuffer(count * SIZE);

export class Slots {
  #bytes;

  /** Those of one worker: count slots from first on. */
  constructor(memory, first, count) {
    this.#bytes = Buffer.from(memory, first * SIZE, count * SIZE);
  }

  begin(slot, requestId) {
    const at = slot * SIZE;
    this.#bytes[at] = requestId.length <= MOST ? this.#bytes.latin1Write(requestId, at + 1, MOST) : 0;
  }

  end(slot) {
    this.#bytes[slot * SIZE] = 0;
  }

  /** The request ids of what runs, which it forgets. */
  takeRunning() {
    const ids = [];
    for (let at = 0; at < this.#bytes.length; at += SIZE) {
      if (this.#bytes[at] > 0) ids.push(this.#bytes.latin1Slice(at + 1, at + 1 + this.#bytes[at]));
      this.#bytes[at] = 0;
    }
    return ids;
  }
}
