// The main thread of many workers: opens their slots, reports the invocations of
// one that died, and puts another in its place.

import { Worker } from "node:worker_threads";

import { invocationPath, postOnce, served } from "./api.mjs";
import { logFor } from "./logs.mjs";
import { newLock, patchStreams, shareLock } from "./output.mjs";
import { heapMB, slots, workerCount } from "./settings.mjs";
import { newSlots, Slots } from "./slots.mjs";

// The place of a worker whose life was brief, or who failed to start, stays empty
// for a while, longer each time (chosen).
const BRIEF_MS = 1000;
const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 5000;
// How long workers that are ready wait for the others (chosen).
const PATIENCE_MS = 10_000;
// Rounds in which slots open, and how long each may last; the rest opens at once (chosen).
const ROUNDS = 8;
const ROUND_MS = 20;

/** Starts the workers and stays with them; script is what each runs. */
export function supervise(script) {
  const lock = newLock();
  shareLock(lock);
  patchStreams();
  // As the sandbox's first process it has no default for signals.
  process.on("SIGTERM", () => process.exit(143));
  const memory = newSlots(slots);
  const count = workerCount();
  const crew = new Crew();
  for (let i = 0, first = 0; i < count; i++) {
    const size = Math.floor(slots / count) + (i < slots % count ? 1 : 0);
    crew.places.push(new Place(script, crew, { lock, slots: memory, first, count: size }));
    first += size;
  }
  for (const place of crew.places) place.start();
}

/** All workers together. */
class Crew {
  places = [];
  everReady = false;
  #open = false;

  /** A worker has its handler. */
  joined(place) {
    if (!this.everReady) this.#firstJoined();
    if (this.#open) place.open();
    else this.settled();
  }

  #firstJoined() {
    this.everReady = true;
    setTimeout(() => this.#openInRounds(), PATIENCE_MS).unref();
    for (const other of this.places) if (!other.alive) other.start(); // what failed may be tried again
  }

  /** A worker has joined, or will not soon. */
  settled() {
    if (this.everReady && this.places.every((place) => place.ready || !place.alive)) this.#openInRounds();
  }

  // The first poll makes the environment ready, so none comes before all workers
  // can take events, or those that still can't have had their time.
  // An event goes to the poll that has waited longest. In rounds, with one poll of
  // each worker, events go round the workers; else the first would get the first
  // events all, and a handler that keeps its thread busy would hold up the rest.
  async #openInRounds() {
    if (this.#open) return;
    this.#open = true;
    for (let round = 0; round < ROUNDS; round++) {
      const polling = Promise.all(this.places.map((place) => place.open(1)));
      await Promise.race([polling, new Promise((resolve) => setTimeout(resolve, ROUND_MS))]);
    }
    for (const place of this.places) place.open();
  }
}

/** One worker's place, and whoever fills it. */
class Place {
  alive = false;
  ready = false;
  #brief = 0; // lives one after the other
  #started = 0;
  #opened = 0;
  #polls = null; // resolves what open gave

  constructor(script, crew, share) {
    Object.assign(this, { script, crew, share });
    this.running = new Slots(share.slots, share.first, share.count);
  }

  start() {
    this.alive = true;
    this.#started = performance.now();
    this.#opened = 0;
    this.uncaught = this.error = null;
    this.worker = new Worker(this.script, { workerData: this.share, execArgv: [], resourceLimits: { maxOldGenerationSizeMb: heapMB } });
    this.worker.on("message", (message) => this.#hear(message));
    this.worker.on("error", (error) => (this.error = error));
    this.worker.on("exit", (code) => this.#replace(code));
  }

  /** Lets a worker that is ready poll for so many slots more, or for all; resolves when it does. */
  open(count = this.share.count) {
    const upTo = this.ready ? Math.min(this.#opened + count, this.share.count) : 0;
    if (this.#opened >= upTo) return undefined;
    for (; this.#opened < upTo; this.#opened++) this.worker.postMessage("open");
    return new Promise((resolve) => (this.#polls = resolve));
  }

  #hear(message) {
    if (message?.uncaught) this.uncaught = message;
    if (message?.polls) this.#polls?.();
    if (!message?.ready) return;
    this.ready = true;
    this.crew.joined(this);
  }

  async #replace(code) {
    const { uncaught, error, ready } = this;
    this.alive = this.ready = false;
    if (uncaught) logFor(uncaught.requestId, uncaught.uncaught);
    else if (error) logFor("", { errorType: error.code ?? error.name, errorMessage: error.message });
    if (!ready) {
      // Nobody has ever come up: init has failed.
      if (!this.crew.everReady && !this.crew.places.some((place) => place.alive)) process.exit(1);
      this.crew.settled();
    }
    await Promise.all(this.running.takeRunning().map((id) => report(id, code)));
    if (!this.crew.everReady) return;
    if (!(await served())) process.exit(1);
    this.#brief = performance.now() - this.#started < BRIEF_MS || !ready ? this.#brief + 1 : 0;
    const delay = this.#brief > 0 ? Math.min(FIRST_DELAY_MS * 2 ** (this.#brief - 1), MAX_DELAY_MS) : 0;
    setTimeout(() => this.start(), delay);
  }
}

/** Tells a caller at once, who on AWS waits for the timeout. */
async function report(requestId, code) {
  const errorMessage = `RequestId: ${requestId} Error: Runtime exited with error: exit status ${code}`;
  const body = { errorType: "Runtime.ExitError", errorMessage };
  logFor(requestId, body);
  await postOnce(invocationPath(requestId, "error"), JSON.stringify(body), body.errorType);
}
