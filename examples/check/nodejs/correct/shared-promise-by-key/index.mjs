// Says what a tenant's plan allows.
import { setTimeout as sleep } from "node:timers/promises";

const plans = { "tenant-ash": "gold", "tenant-beech": "silver", "tenant-cedar": "bronze", "tenant-dogwood": "trial" };
const pending = new Map();

async function load(tenant) {
  await sleep(15);
  return { tenant, plan: plans[tenant] };
}

function settings(tenant) {
  // Right: loads that overlap are spared by tenant, and what comes is the same for all who ask.
  if (!pending.has(tenant)) pending.set(tenant, load(tenant));
  return pending.get(tenant);
}

export async function handler(event) {
  const { tenant, plan } = await settings(event.tenant);
  return { user: event.user, tenant, plan };
}
