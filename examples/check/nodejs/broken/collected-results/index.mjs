// Translates the words of a sentence one by one.
import { setTimeout as sleep } from "node:timers/promises";

// Wrong: emptied at the start of each request and filled across awaits, by all of them.
const results = [];

async function translate(word) {
  await sleep(4);
  return word.toUpperCase();
}

export async function handler(event) {
  results.length = 0;
  for (const word of event.words) results.push(await translate(word));
  return { reader: event.reader, text: results.join(" ") };
}
