// Takes an order, and writes its receipt while it reserves the goods.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

async function receipt(order, customer) {
  const folder = await mkdtemp("/tmp/receipt-");
  await writeFile(`${folder}/receipt.json`, JSON.stringify({ order, customer }));
  const text = await readFile(`${folder}/receipt.json`, "utf8");
  await rm(folder, { recursive: true });
  return JSON.parse(text);
}

async function reserve(goods) {
  await sleep(10);
  return Object.fromEntries(Object.entries(goods).map(([name, count]) => [name, Math.min(count, 10)]));
}

export async function handler(event) {
  // Right: both run at once, and the answer waits for both.
  const [written, reserved] = await Promise.all([receipt(event.order, event.customer), reserve(event.goods)]);
  return { receipt: written, reserved };
}
