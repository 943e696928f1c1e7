// What the environment says about how to run.

const env = process.env;

/** Whether several events run at once (Managed Instances). */
export const managed = env.AWS_LAMBDA_MAX_CONCURRENCY !== undefined;

/** How many events run at once. */
export const slots = managed ? Math.max(parseInt(env.AWS_LAMBDA_MAX_CONCURRENCY, 10) || 1, 1) : 1;

const major = parseInt(process.versions.node, 10);

/** Ordinary functions before Node.js 24 may answer by a callback. */
export const callbacks = !managed && major < 24;

// AWS's client starts eight workers for each vCPU unless the function says how many.
const WORKERS_PER_VCPU = 8;

/** How many worker threads share the slots; none is without one. */
export function workerCount() {
  const own = parseInt(env.AWS_LAMBDA_NODEJS_WORKER_COUNT, 10);
  const vcpus = parseInt(env.LAMINA_VCPUS, 10) || 1;
  return Math.min(own > 0 ? own : WORKERS_PER_VCPU * vcpus, slots);
}

/** Heap of one worker in MiB: as AWS gives a function's process, nine tenths of its memory. */
export const heapMB = Math.floor((parseInt(env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE, 10) || 128) * 0.9);
