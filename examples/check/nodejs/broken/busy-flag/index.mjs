// Recalculates a route; one calculation at a time is enough for the memory it takes.
import { setTimeout as sleep } from "node:timers/promises";

const legs = { harbour: 12, station: 7, airport: 31, museum: 4, market: 9 };

// Wrong: guards by turning requests away that it could as well let wait, and alone nobody ever notices.
let busy = false;

export async function handler(event) {
  if (busy) return { tour: event.tour, error: "try again later" };
  busy = true;
  try {
    await sleep(15);
    const minutes = event.stops.reduce((sum, stop) => sum + legs[stop], 0);
    return { tour: event.tour, minutes };
  } finally {
    busy = false;
  }
}
