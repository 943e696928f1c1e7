// Encodes a message, with a table that it computes once.
import { setTimeout as sleep } from "node:timers/promises";

const table = Uint32Array.from({ length: 256 }, (_, i) => (i * 2654435761) >>> 16);

async function checksum(bytes) {
  await sleep(10);
  return bytes.reduce((sum, b) => (sum + table[b]) % 65521, 0);
}

export async function handler(event) {
  // Right: the table is only read; the buffer is this request's.
  const bytes = Buffer.from(event.message, "utf8");
  const sum = await checksum(bytes);
  return { message: bytes.toString("utf8"), sum };
}
