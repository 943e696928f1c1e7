// Stands between the worker and the function's handler for `lamina check`: reports which state requests
// leave behind and what they do meanwhile. It reports facts and judges nothing; with a seed it also delays
// timers and files at random. Loaded only where LAMINA_CHECK is set.

import { REQUEST_ID, store } from "../store.mjs";
import { Report } from "./report.mjs";
import { Scopes } from "./scopes.mjs";
import { difference, keep } from "./state.mjs";
import { patch } from "./world.mjs";

const BEAT_MS = 20; // how often the loop shows that it turns
const BLOCKED_MS = 50; // late by so much it was held
// Looks at variables take at most this part of the worker's time; those that are too many are left out.
const LOOK_SHARE = 0.4;
const startTimer = setInterval;

/** Prepares the worker before the function is loaded; settings is the engine's JSON. */
export const watch = (settings) => new Watch(JSON.parse(settings));

class Watch {
  #settings;
  #report;
  #scopes;
  #running = new Map(); // request id → {random, left}
  #unseen = ""; // the request that ran last, when nobody has looked since
  #late = new Set(); // places already reported
  #children = new Map(); // child process → {request, command}
  #spent = 0; // ms of looking
  #began = performance.now();
  #beat = performance.now();
  #cpu = process.cpuUsage(); // at the last beat
  #held = 0; // ms already reported since the last beat

  constructor(settings) {
    const task = process.env.LAMBDA_TASK_ROOT ?? "/var/task";
    this.#settings = settings;
    this.#report = new Report(settings.out, task);
    this.#scopes = new Scopes(task);
    patch(this);
    startTimer(() => this.#turn(), BEAT_MS).unref();
  }

  /** The function, and around each of its calls a look at what has changed. */
  around(fn) {
    this.#scopes.follow(fn.handler);
    for (const [variable, value] of this.#scopes.look()) variable.kept = keep(value, this.#scopes.own);
    this.#beat = performance.now();
    const { handler } = fn;
    return { ...fn, handler: (...args) => this.#handle(handler, args) };
  }

  #handle(handler, args) {
    const request = this.current();
    this.#begin(request);
    let result;
    try {
      const before = performance.now() - this.#held;
      result = handler(...args);
      const ms = performance.now() - this.#held - before; // without what is known already
      if (ms >= BLOCKED_MS) this.blocked(this.#worked(ms), "handler");
      if (this.#running.size > 1) this.#look(request);
      else this.#unseen = request; // whose a change is need be known only when another one begins
    } catch (error) {
      this.#end(request);
      throw error;
    }
    if (typeof result?.then !== "function") {
      this.#end(request);
      return result;
    }
    return this.#settled(request, result);
  }

  async #settled(request, result) {
    try {
      return await result;
    } finally {
      this.#end(request);
    }
  }

  #begin(request) {
    if (this.#unseen) this.#look(this.#unseen);
    this.#running.set(request, { random: seeded(`${this.#settings.seed} ${request}`), left: this.#settings.pauseBudgetMs ?? 60 });
    this.#report.put("start", request);
  }

  #end(request) {
    this.#look(request);
    for (const [child, { request: of, command }] of this.#children) {
      if (of === request && child.exitCode === null && child.signalCode === null) this.#report.put("child-left", request, command);
      if (of === request) this.#children.delete(child);
    }
    this.#running.delete(request);
    this.#report.put("end", request, null, null, this.#settings.heap ? { heap: heap() } : null);
    this.#report.flush(); // before the answer
  }

  /** Compares all variables with what they were at the last look. */
  #look(request) {
    this.#unseen = "";
    const begin = performance.now();
    if (this.#spent > LOOK_SHARE * (begin - this.#began) && this.#spent > 5) return;
    const { own } = this.#scopes;
    const told = new Set();
    for (const [variable, value] of this.#scopes.look()) {
      const { name, file, key } = variable;
      const known = "kept" in variable;
      const found = difference(name, variable.kept, value, own);
      if (!found) continue;
      variable.kept = keep(value, own);
      if (!known || (typeof value === "object" && value !== null && told.has(value))) continue; // the same object under another name
      told.add(value);
      this.#report.put(kindOf(variable, value), request, found.name, { file, line: this.#scopes.line(file, key) }, found.detail);
    }
    this.#spent += performance.now() - begin;
  }

  /** A beat of the loop: late when something held it. */
  #turn() {
    const now = performance.now();
    let ms = now - this.#beat - BEAT_MS - this.#held;
    if (ms >= BLOCKED_MS) ms = this.#worked(ms);
    this.#beat = now;
    this.#cpu = process.cpuUsage();
    this.#held = 0;
    if (ms < BLOCKED_MS || this.#running.size === 0) return;
    const [request] = this.#running.keys();
    this.#report.put("loop-blocked", this.#running.size === 1 ? request : "", null, null, { ms: Math.round(ms), running: [...this.#running.keys()].slice(0, 20) });
  }

  /** As much of a time as this process had a processor since the last beat: a busy machine is not the handler's doing. */
  #worked(ms) {
    const { user, system } = process.cpuUsage(this.#cpu);
    return Math.min(ms, (user + system) / 1000);
  }

  // What the patched modules tell and ask.

  current() {
    return store.get(REQUEST_ID) ?? "";
  }

  place() {
    return this.current() ? this.#report.place() : {};
  }

  file({ whole, op, place }) {
    const request = this.current();
    if (request) this.#report.put("file", request, whole, place, { op });
    this.late(request, "file", place);
  }

  connection(name) {
    const request = this.current();
    if (request) this.#report.put("connection", request, name, this.#report.place());
  }

  child(child, command) {
    const request = this.current();
    if (request) this.#children.set(child, { request, command });
  }

  env(name, before, after) {
    const detail = { what: "bind", before: String(before), after: String(after) };
    if (this.current()) this.#report.put("env-write", this.current(), name, this.#report.place(), detail);
  }

  /** Code of a request is about to run: too late? */
  late(request, name, place) {
    if (!request || this.#running.has(request)) return;
    const key = `${request} ${place?.file}:${place?.line}`;
    if (this.#late.has(key)) return;
    this.#late.add(key);
    this.#report.put("work-after-answer", request, name, place);
  }

  /** An await of the current request's is over. */
  resumed() {
    const request = this.current();
    if (request && !this.#running.has(request)) this.late(request, "await", {});
  }

  blocked(ms, name) {
    if (ms < BLOCKED_MS) return;
    this.#held += ms;
    const request = this.current();
    if (request) this.#report.put("loop-blocked", request, name, this.#report.place(), { ms: Math.round(ms) });
  }

  /** Milliseconds by which the current request is delayed now, mostly none. */
  extra() {
    const mine = this.#running.get(this.current());
    const { pause = 0, pauseMaxMs = 5 } = this.#settings;
    if (!mine || pause === 0 || mine.left <= 0 || mine.random() >= Math.min(pause * 4, 1)) return 0; // an await stands for some lines
    const ms = Math.min(Math.ceil(mine.random() * pauseMaxMs), mine.left);
    mine.left -= ms;
    this.#report.put("pause", this.current(), null, null, { ms });
    return ms;
  }
}

function kindOf({ inner }, value) {
  if (inner) return "closure-write";
  return typeof value === "function" ? "class-write" : "global-write";
}

function heap() {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Random numbers that are the same for the same text (xmur3 and mulberry32). */
function seeded(text) {
  let a = 1779033703 ^ text.length;
  for (let i = 0; i < text.length; i++) {
    a = Math.imul(a ^ text.charCodeAt(i), 3432918353);
    a = (a << 13) | (a >>> 19);
  }
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
