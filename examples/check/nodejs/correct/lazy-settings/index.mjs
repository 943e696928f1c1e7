// Calculates the postage by a table that it loads when it is first needed.
import { readFile } from "node:fs/promises";

let settings = null;

function load() {
  // Right: whoever comes first starts it, all await the same promise, and its result never changes.
  settings ??= readFile(new URL("./postage.json", import.meta.url), "utf8").then(JSON.parse);
  return settings;
}

export async function handler(event) {
  const { base, zones, rates, currency } = await load();
  const kilos = Math.ceil(event.grams / 1000);
  return { parcel: event.parcel, cents: rates[zones[event.country] ?? "world"] * kilos + base, currency };
}
