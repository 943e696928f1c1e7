// Searches a list with options, most of which callers leave as they are.
import { setTimeout as sleep } from "node:timers/promises";

const cities = ["aarhus", "bergen", "cadiz", "dresden", "espoo", "faro", "ghent", "haarlem", "izmir", "jena"];
const defaults = { limit: 3, descending: false, heading: "Cities" };

export async function handler(event) {
  // Right: a new object for this request, the defaults stay as they are.
  const options = Object.assign({}, defaults, event.options);
  await sleep(10);
  const found = options.descending ? cities.toReversed() : cities;
  return { search: event.search, heading: options.heading, cities: found.slice(0, options.limit) };
}
