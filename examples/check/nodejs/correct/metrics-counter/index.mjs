// Resizes pictures by the numbers, and counts for the environment's own metrics.
import { setTimeout as sleep } from "node:timers/promises";

const metrics = { handled: 0, inFlight: 0, most: 0 };

export async function handler(event) {
  // Right: counts of this worker for its metrics only; changed in one go, and no answer depends on them.
  metrics.inFlight++;
  metrics.most = Math.max(metrics.most, metrics.inFlight);
  try {
    await sleep(5);
    const scale = Math.min(event.max / event.width, event.max / event.height, 1);
    return { picture: event.picture, width: Math.floor(event.width * scale), height: Math.floor(event.height * scale) };
  } finally {
    metrics.inFlight--;
    metrics.handled++;
  }
}
