// Makes an invoice as CSV and answers with its lines.
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";

export async function handler(event) {
  // Right: a folder of this request's own, gone when it ends.
  const folder = await mkdtemp("/tmp/invoice-");
  try {
    const path = `${folder}/invoice.csv`;
    const lines = Object.entries(event.items).map(([item, price]) => `${event.customer},${item},${price}`);
    await writeFile(path, lines.join("\n") + "\n");
    const { size } = await stat(path);
    const written = (await readFile(path, "utf8")).trimEnd().split("\n");
    return { customer: event.customer, lines: written, bytes: size };
  } finally {
    await rm(folder, { recursive: true });
  }
}
