// The invocation that a piece of code belongs to, under the names by which
// @aws/lambda-invoke-store and the libraries on it ask for it.

import { AsyncLocalStorage } from "node:async_hooks";

import { managed } from "./settings.mjs";

export const REQUEST_ID = Symbol.for("_AWS_LAMBDA_REQUEST_ID");
export const TRACE_ID = Symbol.for("_AWS_LAMBDA_X_RAY_TRACE_ID");
export const TENANT_ID = Symbol.for("_AWS_LAMBDA_TENANT_ID");
const KEYS = [REQUEST_ID, TRACE_ID, TENANT_ID];

/** Where invocations overlap: each with its own asynchronous context. */
class Overlapping {
  #storage = new AsyncLocalStorage();

  current = () => this.#storage.getStore();
  run = (context, f) => this.#storage.run(context, f);
}

/** One invocation after the other: what runs now belongs to the last one. */
class OneByOne {
  #context;

  current = () => this.#context;
  run = (context, f) => {
    this.#context = context;
    return f();
  };
}

const invocations = managed ? new Overlapping() : new OneByOne();

/** What functions see of it. */
class InvokeStore {
  static PROTECTED_KEYS = { REQUEST_ID, X_RAY_TRACE_ID: TRACE_ID, TENANT_ID };

  run(context, f) {
    return invocations.run(context, f);
  }

  getContext() {
    return invocations.current();
  }

  hasContext() {
    return invocations.current() !== undefined;
  }

  get(key) {
    return invocations.current()?.[key];
  }

  set(key, value) {
    if (KEYS.includes(key)) throw new Error(`Cannot modify protected Lambda context field: ${String(key)}`);
    const context = invocations.current();
    if (!context) throw new Error("No context available");
    context[key] = value;
  }

  getRequestId() {
    return this.get(REQUEST_ID) ?? "-";
  }

  getXRayTraceId() {
    return this.get(TRACE_ID);
  }

  getTenantId() {
    return this.get(TENANT_ID);
  }
}

export const store = new InvokeStore();
