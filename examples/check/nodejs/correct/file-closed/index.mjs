// Looks words up in a dictionary file.
import { open } from "node:fs/promises";

const WORDS = new URL("./words.txt", import.meta.url);

export async function handler(event) {
  const file = await open(WORDS);
  try {
    for await (const line of file.readLines({ autoClose: false })) {
      const [word, meaning] = line.split("\t");
      if (word === event.word) return { word, meaning };
    }
    return { word: event.word, meaning: null };
  } finally {
    // Right: closed however it ends.
    await file.close();
  }
}
