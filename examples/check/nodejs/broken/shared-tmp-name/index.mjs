// Makes an invoice as CSV and answers with its lines.
import { readFile, stat, writeFile } from "node:fs/promises";

// Wrong: all requests of an environment write the same file.
const PATH = "/tmp/invoice.csv";

export async function handler(event) {
  const lines = Object.entries(event.items).map(([item, price]) => `${event.customer},${item},${price}`);
  await writeFile(PATH, lines.join("\n") + "\n");
  const { size } = await stat(PATH);
  const written = (await readFile(PATH, "utf8")).trimEnd().split("\n");
  return { customer: event.customer, lines: written, bytes: size };
}
