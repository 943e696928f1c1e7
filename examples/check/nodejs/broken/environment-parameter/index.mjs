// Formats a price with settings that a library reads from the environment.
import { setTimeout as sleep } from "node:timers/promises";

async function formatPrice(cents) {
  await sleep(10); // loads the currency's rules
  const { PRICE_CURRENCY, PRICE_LABEL } = process.env;
  return `${PRICE_LABEL}: ${(cents / 100).toFixed(2)} ${PRICE_CURRENCY}`;
}

export async function handler(event) {
  // Wrong: the environment is the worker's, not the request's.
  process.env.PRICE_CURRENCY = event.currency;
  process.env.PRICE_LABEL = event.label;
  return { price: await formatPrice(event.cents) };
}
