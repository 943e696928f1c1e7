// Looks words up in a dictionary file.
import { openSync, readSync } from "node:fs";

const WORDS = new URL("./words.txt", import.meta.url);

export async function handler(event) {
  // Wrong: opened for each request and never closed.
  const fd = openSync(WORDS, "r");
  const buffer = Buffer.alloc(4096);
  const text = buffer.toString("utf8", 0, readSync(fd, buffer, 0, buffer.length, 0));
  const line = text.split("\n").find((l) => l.startsWith(event.word + "\t"));
  return { word: event.word, meaning: line?.split("\t")[1] ?? null };
}
