// Reserves and releases seats of a hall, and answers with what was free meanwhile.
import { setTimeout as sleep } from "node:timers/promises";

const free = { seats: 500 };

async function change(by) {
  const now = free.seats;
  await sleep(8); // asks the hall's own system
  // Wrong: written from a value read before the await; changes of overlapping requests get lost.
  free.seats = now + by;
  return free.seats;
}

export async function handler(event) {
  const left = await change(-event.seats);
  const after = await change(event.seats);
  return { guest: event.guest, reserved: event.seats, left, after };
}
