// Reserves seats of a hall under a lock, and answers whether there were enough.
import { setTimeout as sleep } from "node:timers/promises";

const free = { seats: 500 };
let turn = Promise.resolve();

function locked(work) {
  const mine = turn.then(work);
  turn = mine.catch(() => {});
  return mine;
}

export async function handler(event) {
  // Right: read, await and write are one step that nobody else interrupts, and it ends as it began.
  const enough = await locked(async () => {
    const now = free.seats;
    await sleep(2);
    free.seats = now - event.seats;
    await sleep(2);
    free.seats += event.seats;
    return free.seats === now && now >= event.seats;
  });
  return { guest: event.guest, seats: event.seats, enough };
}
