// The variables of the function's modules, which only the inspector can see.

import { readFileSync } from "node:fs";
import { Session } from "node:inspector";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { Readers } from "./readers.mjs";

const KEY = Symbol.for("lamina.check");
const MOST_SCRIPTS = 12; // of the function's whose variables are followed (chosen)
const RELEASE_EVERY = 40; // looks after which the inspector may forget what it has shown
const GROUP = "lamina";
const OWN_NAMES = new Set(["exports", "require", "module", "__filename", "__dirname"]);

/** Looks into modules by way of one function of each. */
export class Scopes {
  #session = new Session();
  #readers = new Readers((method, params) => this.#post(method, params));
  #urls = new Map(); // of scripts, by id
  #functions = []; // {value, id, file, name, variables, read}
  #looks = 0;
  #sources = new Map(); // lines of files
  #lines = new Map(); // by file and variable
  #constructors = new WeakMap();

  constructor(task) {
    this.task = task.endsWith("/") ? task : task + "/";
    this.#session.connect();
    this.#session.on("Debugger.scriptParsed", ({ params }) => this.#urls.set(params.scriptId, params.url));
    this.#session.on("Debugger.paused", ({ params }) => this.#readers.paused(params));
    this.own = (constructor) => this.#isOwn(constructor);
  }

  #post(method, params) {
    let answer;
    this.#session.post(method, params, (error, result) => (answer = result)); // calls back at once
    return answer ?? {};
  }

  /** Finds the modules from the handler on. */
  follow(handler) {
    this.#post("Debugger.enable"); // tells the names of the scripts; the readers need it for a while
    const seen = new Set();
    const todo = [handler];
    while (todo.length > 0 && this.#functions.length < MOST_SCRIPTS) {
      const value = todo.shift();
      const script = this.#script(value);
      if (seen.has(script.id)) continue;
      seen.add(script.id);
      if (!script.file) {
        todo.push(...this.#wrapped(value));
        continue;
      }
      const relative = path.relative(this.task, script.file);
      const known = { value, id: this.#id(value), file: script.file, name: relative.slice(0, relative.length - path.extname(relative).length), variables: new Map() };
      this.#functions.push(known);
      const scopes = this.#scopesOf(known);
      for (const [, value] of this.#variables(known, scopes)) todo.push(...functionsIn(value));
      if (scopes.length === 1) this.#readers.wait(known, known.id, [...known.variables.keys()]); // of several, another function's may look the same
    }
  }

  /** The functions that one of a library's has captured: it may wrap the handler. */
  #wrapped(value) {
    const captured = this.#scopesOf({ id: this.#id(value) }).slice(0, -1);
    return captured.flatMap(({ object }) => Object.keys(object).flatMap((key) => functionsIn(object[key])));
  }

  /** All variables with their values, each time the same objects {inner, name, file, key, kept}. */
  *look() {
    this.#readers.rest();
    for (const known of this.#functions) {
      if (!known.read) {
        yield* this.#variables(known, this.#scopesOf(this.#fresh(known)));
        continue;
      }
      const values = known.read();
      let i = 0;
      for (const variable of known.variables.values()) yield [variable, values[i++]];
    }
  }

  /** A function with an id that the inspector knows; it is made to forget from time to time. */
  #fresh(known) {
    if (++this.#looks % RELEASE_EVERY === 0) {
      this.#post("Runtime.releaseObjectGroup", { objectGroup: GROUP });
      for (const other of this.#functions) other.id = this.#id(other.value);
    }
    return known;
  }

  *#variables(known, scopes) {
    for (const [i, { object }] of scopes.entries()) {
      for (const key of Object.keys(object)) {
        if (OWN_NAMES.has(key) || key.startsWith("%")) continue;
        const place = i === scopes.length - 1 ? key : `${i} ${key}`;
        let variable = known.variables.get(place);
        if (!variable) known.variables.set(place, (variable = { inner: place !== key, name: `${known.name}.${key}`, file: known.file, key }));
        yield [variable, object[key]];
      }
    }
  }

  /** The scopes of a function, innermost first, without the global ones. */
  #scopesOf({ id }) {
    const { internalProperties = [] } = this.#post("Runtime.getProperties", { objectId: id, ownProperties: true });
    const list = internalProperties.find(({ name }) => name === "[[Scopes]]")?.value?.objectId;
    if (!list) return [];
    let scopes = [];
    globalThis[KEY] = (value) => (scopes = Array.prototype.slice.call(value)); // it has no iterator
    this.#post("Runtime.callFunctionOn", { objectId: list, functionDeclaration: "function() { globalThis[Symbol.for('lamina.check')](this) }" });
    delete globalThis[KEY];
    return scopes.filter(({ description }) => !/^(Global|Script)/.test(description));
  }

  #id(value) {
    globalThis[KEY] = value;
    const { result } = this.#post("Runtime.evaluate", { expression: "globalThis[Symbol.for('lamina.check')]", objectGroup: GROUP });
    delete globalThis[KEY];
    return result?.objectId;
  }

  /** The script of a function: its id, and its file when that is the function's own. */
  #script(value) {
    const { internalProperties = [] } = this.#post("Runtime.getProperties", { objectId: this.#id(value), ownProperties: true });
    const id = internalProperties.find(({ name }) => name === "[[FunctionLocation]]")?.value?.value?.scriptId;
    const url = this.#urls.get(id) ?? "";
    const file = url.startsWith("file:") ? fileURLToPath(url) : url;
    return { id, file: file.startsWith(this.task) && !file.includes("/node_modules/") ? file : "" };
  }

  #isOwn(constructor) {
    if (typeof constructor !== "function") return false;
    let own = this.#constructors.get(constructor);
    if (own === undefined) {
      own = this.#script(constructor).file !== "";
      this.#constructors.set(constructor, own);
    }
    return own;
  }

  /** The line that may have written a variable: the first one inside a function that assigns or changes it. */
  line(file, name) {
    const place = `${file} ${name}`;
    if (!this.#lines.has(place)) this.#lines.set(place, lineOf(this.#source(file), name));
    return this.#lines.get(place);
  }

  #source(file) {
    if (!this.#sources.has(file)) {
      try {
        this.#sources.set(file, readFileSync(file, "utf8").split("\n"));
      } catch {
        this.#sources.set(file, []);
      }
    }
    return this.#sources.get(file);
  }
}

function lineOf(lines, name) {
  const n = name.replaceAll("$", "\\$");
  const change = new RegExp(
    `(?<![.\\w$])${n}(\\s*(\\.\\s*[\\w$]+|\\[[^\\]]*\\]))*\\s*([-+*/%&|^?]{0,3}=(?![=>])|\\+\\+|--)|(\\+\\+|--)\\s*${n}\\b|` +
      `(?<![.\\w$])${n}(\\.[\\w$]+)*\\.(push|pop|shift|unshift|splice|set|add|delete|clear|sort|reverse|fill|write|copyWithin|on|once)\\(|Object\\.assign\\(\\s*${n}\\b`,
  );
  const declaration = new RegExp(`^\\s*(export\\s+)?(let|const|var|class|function)\\b[^=]*\\b${n}\\b`);
  const at = lines.findIndex((line) => change.test(line) && !declaration.test(line));
  return (at >= 0 ? at : lines.findIndex((line) => declaration.test(line))) + 1;
}

/** A function, or those among an object's properties. */
function functionsIn(value) {
  if (typeof value === "function") return [value];
  if (value === null || typeof value !== "object" || Array.isArray(value)) return [];
  const found = [];
  for (const name of Object.keys(value).slice(0, 50)) {
    const property = Object.getOwnPropertyDescriptor(value, name);
    if (typeof property?.value === "function") found.push(property.value);
  }
  const { constructor } = value;
  return typeof constructor === "function" && constructor !== Object ? [...found, constructor] : found;
}
