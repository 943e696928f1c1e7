// Books a seat and logs it in the company's own format.
import { setTimeout as sleep } from "node:timers/promises";

const seats = { A: 12, B: 30, C: 48 };

function log(text) {
  // Wrong: past console.*, so neither JSON nor a request id; lines of 64 slots can't be told apart.
  process.stdout.write(`[seats] ${text}\n`);
}

export async function handler(event) {
  log(`booking row ${event.row}, seat ${event.seat}`);
  await sleep(5);
  const free = event.seat <= seats[event.row];
  if (!free) log("no such seat");
  return { guest: event.guest, booked: free };
}
