// Follows a job until it is done.
import { setTimeout as sleep } from "node:timers/promises";

const speed = { "job-flyer": 4, "job-letter": 8, "job-poster": 5, "job-card": 10 };

export async function handler(event) {
  let percent = 0;
  // Wrong: never cleared; each request leaves a timer that ticks for ever.
  setInterval(() => {
    percent = Math.min(percent + speed[event.job], 100);
  }, 5);
  while (percent < 20) await sleep(5);
  return { job: event.job, started: percent >= 20 };
}
