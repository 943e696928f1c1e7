// Takes an order and writes its receipt.
import { writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

async function writeReceipt(order, customer) {
  await sleep(60); // what rendering takes
  await writeFile(`/tmp/receipt-${order}.json`, JSON.stringify({ order, customer }));
}

export async function handler(event) {
  // Wrong: nobody awaits it, so it runs on after the answer, or never when the environment ends.
  writeReceipt(event.order, event.customer);
  return { order: event.order, accepted: true };
}
