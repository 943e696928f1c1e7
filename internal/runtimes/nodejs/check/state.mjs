// What a worker keeps from one request to the next, and what has changed in it.

import { clip } from "./report.mjs";

const DEPTH = 5; // how far objects in objects are followed
const MOST = 200; // elements that are compared; of a larger container its size and the last of them
const SHOWN = 40; // elements that are shown
const BYTES = 300; // of a buffer

const MISSING = Symbol("missing");

/** A copy of a container as it was: of one with elements their keys and copies, once more as lists for a quick comparison. */
class Kept {
  constructor(kind, value, size, items) {
    this.kind = kind;
    this.value = value;
    this.size = size;
    this.items = items;
    this.keys = items instanceof Map ? [...items.keys()] : null;
    this.copies = items instanceof Map ? [...items.values()] : null;
  }
}

/** Copies a value for a later comparison; own tells of a constructor whether it is the function's. */
export function keep(value, own, depth = DEPTH) {
  if (value === null || (typeof value !== "object" && typeof value !== "function")) return value;
  const parts = depth > 0 ? open(value, own) : null;
  if (!parts) return new Kept("opaque", value, 0, null);
  if (parts.kind === "bytes") return new Kept("bytes", value, parts.size, parts.text);
  const items = new Map();
  for (const [key, item] of parts.entries) items.set(key, keep(item, own, depth - 1));
  return new Kept(parts.kind, value, parts.size, items);
}

/** A container's elements, or null for what is one thing whatever goes on inside it. */
function open(value, own) {
  if (typeof value === "function") {
    const names = Object.keys(value);
    return names.length > 0 ? { kind: "object", size: 0, entries: properties(value, names) } : null;
  }
  if (Array.isArray(value)) {
    const first = Math.max(value.length - MOST, 0);
    return { kind: "list", size: value.length, entries: value.slice(first).map((item, i) => [first + i, item]) };
  }
  if (value instanceof Map) return { kind: "map", size: value.size, entries: last([...value]) };
  if (value instanceof Set) return { kind: "set", size: value.size, entries: last([...value]).map((item) => [item, true]) };
  if (ArrayBuffer.isView(value)) return { kind: "bytes", size: value.byteLength, text: bytes(value) };
  if (value instanceof Date) return { kind: "bytes", size: 0, text: String(value.getTime()) };
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== null && prototype !== Object.prototype && !own(prototype.constructor)) return null;
  return { kind: "object", size: 0, entries: properties(value, last(Object.keys(value))) };
}

const last = (list) => (list.length > MOST ? list.slice(-MOST) : list);

/** Without running getters. */
function properties(value, names) {
  const found = [];
  for (const name of names) {
    const property = Object.getOwnPropertyDescriptor(value, name);
    if (property && "value" in property) found.push([name, property.value]);
  }
  return found;
}

/** Whether a value is surely as it was; most are, and this makes nothing. */
function unchanged(old, value) {
  if (!(old instanceof Kept)) return Object.is(old, value);
  if (old.value !== value) return false;
  if (old.kind === "opaque") return true;
  if (old.kind === "list") return old.size === value.length && old.keys.every((i, n) => unchanged(old.copies[n], value[i]));
  if (old.kind === "object") {
    const names = Object.keys(value);
    // With getters or more names than are kept there are fewer copies.
    return names.length === old.keys.length && names.every((name, n) => name === old.keys[n] && unchanged(old.copies[n], value[name]));
  }
  if (old.kind !== "map" && old.kind !== "set" || old.size !== value.size || old.keys.length !== old.size) return false;
  let n = 0;
  for (const key of value.keys()) {
    if (key !== old.keys[n]) return false;
    if (old.kind === "map" && !unchanged(old.copies[n], value.get(key))) return false;
    n++;
  }
  return true;
}

const bytes = (value) => Buffer.from(value.buffer, value.byteOffset, Math.min(value.byteLength, BYTES)).toString("latin1");

/** What has changed, as {name, detail}, or null. */
export function difference(name, old, value, own, depth = DEPTH) {
  if (unchanged(old, value)) return null;
  if (!(old instanceof Kept)) return bound(name, old, value);
  if (value === null || typeof value !== typeof old.value) return bound(name, old, value);
  if (old.kind === "opaque") return bound(name, old, value);
  const parts = open(value, own);
  if (parts?.kind !== old.kind) return bound(name, old, value);
  if (parts.kind === "bytes") return old.size === parts.size && old.items === parts.text ? null : altered(name, old, value);
  const found = inside(name, old, parts, value, own, depth);
  return found && old.value !== value ? bound(name, old, value) : found;
}

function inside(name, old, parts, value, own, depth) {
  if (depth === 0) return null;
  const items = new Map(parts.entries);
  let found = null;
  for (const [key, was] of old.items) {
    if (!items.has(key)) continue;
    const inner = difference(named(name, old.kind, key), was, items.get(key), own, depth - 1);
    if (!inner) continue;
    if (inner.detail.what === "bind") inner.detail.what = "key";
    if (inner.detail.what === "key") return inner; // the most telling
    found ??= inner;
  }
  if (found) return found;
  const added = parts.entries.filter(([key]) => !old.items.has(key));
  const size = parts.size || items.size;
  const detail = { before: text(old), after: text(value), size };
  if (added.length > 0 && (old.kind === "object" || parts.size > old.size || items.size < MOST)) {
    const shown = old.kind === "list" ? added.map(([, item]) => item) : old.kind === "set" ? added.map(([key]) => key) : new Map(added);
    return { name, detail: { what: "grow", before: detail.before, added: text(shown), size } };
  }
  if (parts.size < old.size || items.size < old.items.size) return { name, detail: { what: "shrink", ...detail } };
  return null;
}

const named = (name, kind, key) => (kind === "object" ? `${name}.${key}` : `${name}[${clip(shown(key, 1)).slice(0, 60)}]`);
const bound = (name, old, value) => ({ name, detail: { what: "bind", before: text(old), after: text(value) } });
const altered = (name, old, value) => ({ name, detail: { what: "key", before: text(old), after: text(value) } });

const text = (value) => clip(shown(value, 4));

function shown(value, depth) {
  if (value instanceof Kept) return shownKept(value, depth);
  if (value === MISSING || value === undefined) return "undefined";
  if (typeof value === "string") return JSON.stringify(value.slice(0, BYTES));
  if (value === null || (typeof value !== "object" && typeof value !== "function")) return String(value);
  if (typeof value === "function") return `<${value.name || "function"}>`;
  if (depth === 0) return "…";
  if (Array.isArray(value)) return `[${value.slice(-SHOWN).map((item) => shown(item, depth - 1)).join(", ")}]`;
  if (value instanceof Map) return pairs([...value], depth);
  if (value instanceof Set) return `[${[...value].slice(-SHOWN).map((item) => shown(item, depth - 1)).join(", ")}]`;
  if (ArrayBuffer.isView(value)) return `<${value.constructor?.name} ${JSON.stringify(bytes(value))}>`;
  if (value instanceof Date) return String(value.getTime());
  if (value instanceof Promise) return "<Promise>";
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== null && prototype !== Object.prototype) return `<${prototype.constructor?.name ?? "object"}>`;
  return pairs(properties(value, Object.keys(value)), depth);
}

function shownKept(old, depth) {
  if (old.kind === "opaque") return shown(old.value, 1);
  if (old.kind === "bytes") return JSON.stringify(old.items);
  if (old.kind === "list") return `[${[...old.items.values()].slice(-SHOWN).map((item) => shown(item, depth - 1)).join(", ")}]`;
  if (old.kind === "set") return `[${[...old.items.keys()].slice(-SHOWN).map((item) => shown(item, depth - 1)).join(", ")}]`;
  return pairs([...old.items], depth);
}

const pairs = (list, depth) => `{${list.slice(-SHOWN).map(([key, item]) => `${shown(key, 1)}: ${shown(item, depth - 1)}`).join(", ")}}`;
