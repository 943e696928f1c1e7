// Encodes a message in a buffer that it keeps, to spare allocations.
import { setTimeout as sleep } from "node:timers/promises";

// Wrong: one buffer for all, filled before an await and read after it.
const scratch = Buffer.alloc(1024);

async function checksum(bytes) {
  await sleep(10); // a hardware module's work
  let sum = 0;
  for (const b of bytes) sum = (sum * 31 + b) % 65521;
  return sum;
}

export async function handler(event) {
  const length = scratch.write(event.message, "utf8");
  const bytes = scratch.subarray(0, length);
  const sum = await checksum(bytes);
  return { message: bytes.toString("utf8"), sum };
}
