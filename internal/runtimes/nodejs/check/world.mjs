// What requests do to the world: files below /tmp, connections, child processes, the environment, timers.

import child_process from "node:child_process";
import crypto from "node:crypto";
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import net from "node:net";
import path from "node:path";
import timers from "node:timers";
import timersPromises from "node:timers/promises";
import { fileURLToPath } from "node:url";
import zlib from "node:zlib";

const TMP = [...new Set(["/tmp/", (process.env.TMPDIR ?? "/tmp").replace(/\/*$/, "/")])];
const BLOCKING_MS = 50; // from here on a synchronous call is reported
const sleep = timersPromises.setTimeout;

/** Patches Node's modules; watch gets told what happens: file, connection, child, env, late, blocked, and asked for extra delays. */
export function patch(watch) {
  patchFiles(watch);
  patchConnections(watch);
  patchChildren(watch);
  patchTimers(watch);
  patchBlocking(watch);
  patchEnvironment(watch);
  syncBuiltinESMExports();
}

// Files.

function below(file) {
  if (file instanceof URL) file = fileURLToPath(file);
  if (Buffer.isBuffer(file)) file = file.toString();
  if (typeof file !== "string") return null;
  const whole = path.resolve(file);
  return TMP.some((folder) => whole.startsWith(folder)) ? whole : null;
}

function byFlags(flags = "r") {
  if (typeof flags === "number") {
    if (flags & fs.constants.O_EXCL) return "exclusive";
    return flags & (fs.constants.O_WRONLY | fs.constants.O_RDWR) ? "write" : "read";
  }
  if (flags.includes("x")) return "exclusive";
  return flags.startsWith("r") && !flags.includes("+") ? "read" : "write";
}

const flagOf = (options, otherwise) => byFlags((typeof options === "object" && options?.flag) || (typeof options === "object" && options?.flags) || otherwise);

// Of each function: which argument is the path, and what it does to it.
const FILES = {
  open: (args) => [args[0], byFlags(typeof args[1] === "function" ? "r" : args[1])],
  readFile: (args) => [args[0], flagOf(args[1], "r")],
  writeFile: (args) => [args[0], flagOf(args[2], "w")],
  appendFile: (args) => [args[0], flagOf(args[2], "a")],
  truncate: (args) => [args[0], "write"],
  copyFile: (args) => [args[1], "write"],
  rename: (args) => [args[1], "rename"],
  unlink: (args) => [args[0], "remove"],
  rm: (args) => [args[0], "remove"],
};

function patchFiles(watch) {
  let inside = false; // a patched function: it may call others
  const quietly = (f, self, args) => {
    const before = inside;
    inside = true;
    try {
      return f.apply(self, args);
    } finally {
      inside = before;
    }
  };
  for (const [name, look] of Object.entries(FILES)) {
    const seen = (args) => {
      const [file, op] = look(args);
      const whole = inside ? null : below(file);
      return whole && { whole, op, place: watch.place() };
    };
    const plain = fs[name];
    fs[name] = function (...args) {
      const what = seen(args);
      const done = args.at(-1);
      if (what && typeof done === "function") {
        args[args.length - 1] = function (error, ...rest) {
          if (!error) watch.file(what);
          return done.call(this, error, ...rest);
        };
      }
      return quietly(plain, this, args);
    };
    Object.defineProperties(fs[name], Object.getOwnPropertyDescriptors(plain)); // what promisify looks for
    const sync = fs[name + "Sync"];
    fs[name + "Sync"] = function (...args) {
      const what = seen(args);
      const begin = performance.now();
      const result = quietly(sync, this, args);
      const ms = performance.now() - begin;
      if (ms >= BLOCKING_MS) watch.blocked(ms, name + "Sync");
      if (what) watch.file(what);
      return result;
    };
    const promise = fs.promises[name];
    if (promise) {
      fs.promises[name] = async function (...args) {
        const what = seen(args);
        const result = await quietly(promise, this, args);
        if (what) watch.file(what);
        watch.resumed();
        const extra = watch.extra();
        if (extra > 0) await sleep(extra);
        return result;
      };
    }
  }
}

// Connections and children.

function patchConnections(watch) {
  const { connect } = net.Socket.prototype;
  const api = process.env.AWS_LAMBDA_RUNTIME_API;
  net.Socket.prototype.connect = function (...args) {
    const given = Array.isArray(args[0]) ? args[0][0] : args[0]; // net's own functions give it normalized
    const options = typeof given === "object" && given !== null ? given : { port: given, host: typeof args[1] === "string" ? args[1] : undefined };
    const name = options.path ?? `${options.host ?? "localhost"}:${options.port}`;
    if (name !== api) watch.connection(name);
    return connect.apply(this, args);
  };
}

function patchChildren(watch) {
  const { prototype } = child_process.ChildProcess;
  const { spawn } = prototype;
  prototype.spawn = function (options) {
    const result = spawn.call(this, options);
    if (this.pid) watch.child(this, options.args?.join(" ") ?? options.file);
    return result;
  };
}

// Time.

function patchTimers(watch) {
  for (const name of ["setTimeout", "setInterval", "setImmediate"]) {
    const plain = timers[name];
    const patched = function (callback, ...args) {
      const request = watch.current();
      if (typeof callback !== "function" || !request) return plain(callback, ...args);
      const place = watch.place();
      const run = function (...given) {
        watch.late(request, callback.name || name, place);
        return callback.apply(this, given);
      };
      if (name === "setTimeout") args[0] = (Number(args[0]) || 0) + watch.extra();
      return plain(run, ...args);
    };
    Object.defineProperties(patched, Object.getOwnPropertyDescriptors(plain));
    timers[name] = globalThis[name] = patched;
  }
  timersPromises.setTimeout = async (ms, value, options) => {
    const result = await sleep((ms ?? 1) + watch.extra(), value, options);
    watch.resumed();
    return result;
  };
}

/** Times the calls that hold the loop on purpose. */
function patchBlocking(watch) {
  const names = [
    [child_process, ["execSync", "execFileSync", "spawnSync"]],
    [crypto, ["pbkdf2Sync", "scryptSync", "hkdfSync", "generateKeyPairSync", "randomFillSync"]],
    [zlib, ["gzipSync", "gunzipSync", "deflateSync", "inflateSync", "brotliCompressSync", "brotliDecompressSync"]],
    [Atomics, ["wait"]],
  ];
  for (const [module, list] of names) {
    for (const name of list) {
      const plain = module[name];
      module[name] = function (...args) {
        const begin = performance.now();
        try {
          return plain.apply(this, args);
        } finally {
          const ms = performance.now() - begin;
          if (ms >= BLOCKING_MS) watch.blocked(ms, name);
        }
      };
    }
  }
}

function patchEnvironment(watch) {
  const plain = process.env;
  process.env = new Proxy(plain, {
    set(target, name, value) {
      const before = target[name];
      target[name] = value;
      if (before !== target[name]) watch.env(String(name), before, target[name]);
      return true;
    },
    deleteProperty(target, name) {
      const before = target[name];
      delete target[name];
      if (before !== undefined) watch.env(String(name), before, undefined);
      return true;
    },
    defineProperty(target, name, property) {
      target[name] = property.value;
      return true;
    },
  });
}
