// A quick way to the variables of a module: a function that reads them, made where one of the module's own
// functions begins. What the inspector shows is a copy that takes ten times as long.

const KEY = "globalThis[Symbol.for('lamina.check')]";
const NAME = /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u;
const OUTER = new Set(["module", "closure", "script", "global"]); // scopes around a function
const PATIENCE = 500; // looks after which functions that nobody calls are no longer waited for (chosen)

export class Readers {
  #post;
  #waiting = new Map(); // what a function's first call gives a reader to, by breakpoint
  #looks = 0;
  #enabled = true;

  /** post sends the inspector of this thread a command and gives its answer at once; the debugger is enabled. */
  constructor(post) {
    this.#post = post;
  }

  /** Gives module a `read` when the function of that id is called: an array of the values of names. */
  wait(module, id, names) {
    if (!names.every((name) => NAME.test(name))) return; // a default export without a name
    const { breakpointId } = this.#post("Debugger.setBreakpointOnFunctionCall", { objectId: id });
    if (breakpointId) this.#waiting.set(breakpointId, { module, names });
  }

  /** The debugger's stop at a function's first call. In its own thread it does not stop: it calls this and goes on. */
  paused({ callFrames: [frame], hitBreakpoints = [] }) {
    for (const breakpointId of hitBreakpoints) {
      const waiting = this.#waiting.get(breakpointId);
      if (!waiting) continue;
      this.#waiting.delete(breakpointId);
      this.#post("Debugger.removeBreakpoint", { breakpointId });
      waiting.module.read = this.#make(frame, waiting.names);
    }
  }

  /** To be called now and then, by nothing of the function's: a debugger that is on costs something. */
  rest() {
    if (!this.#enabled || (this.#waiting.size > 0 && ++this.#looks < PATIENCE)) return;
    this.#enabled = false;
    this.#post("Debugger.disable");
  }

  #make({ callFrameId, scopeChain }, names) {
    const inner = scopeChain.slice(0, scopeChain.findIndex(({ type }) => OUTER.has(type)));
    const hidden = new Set(inner.flatMap(({ object }) => this.#namesOf(object)));
    if (names.some((name) => hidden.has(name))) return undefined; // the function has a variable of that name
    const values = "lamina$values";
    const reads = names.map((name, i) => `try { ${values}[${i}] = ${name} } catch {}`); // one may have no value yet
    const expression = `${KEY} = () => { const ${values} = []; ${reads.join(" ")} return ${values}; }`;
    const { exceptionDetails } = this.#post("Debugger.evaluateOnCallFrame", { callFrameId, expression, silent: true });
    const read = globalThis[Symbol.for("lamina.check")];
    delete globalThis[Symbol.for("lamina.check")];
    return exceptionDetails ? undefined : read;
  }

  #namesOf({ objectId }) {
    const { result = [] } = this.#post("Runtime.getProperties", { objectId, ownProperties: true });
    return result.map(({ name }) => name);
  }
}
