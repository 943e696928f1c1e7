// Follows a job until it is done.
import { setTimeout as sleep } from "node:timers/promises";

const speed = { "job-flyer": 4, "job-letter": 8, "job-poster": 5, "job-card": 10 };

export async function handler(event) {
  let percent = 0;
  const timer = setInterval(() => {
    percent = Math.min(percent + speed[event.job], 100);
  }, 5);
  try {
    while (percent < 20) await sleep(5);
    return { job: event.job, started: percent >= 20 };
  } finally {
    // Right: stops with the request that needs it.
    clearInterval(timer);
  }
}
