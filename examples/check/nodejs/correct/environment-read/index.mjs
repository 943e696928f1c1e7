// Formats a price with the function's settings.
import { setTimeout as sleep } from "node:timers/promises";

// Right: settings are read once; what a request brings stays in its own object.
const defaults = Object.freeze({ currency: process.env.PRICE_CURRENCY ?? "EUR", digits: 2 });

async function formatPrice(cents, { currency, digits, label }) {
  await sleep(10);
  return `${label}: ${(cents / 100).toFixed(digits)} ${currency}`;
}

export async function handler(event) {
  const settings = { ...defaults, currency: event.currency, label: event.label };
  return { price: await formatPrice(event.cents, settings) };
}
