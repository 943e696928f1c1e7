// Says what a tenant's plan allows.
import { setTimeout as sleep } from "node:timers/promises";

const plans = { "tenant-ash": "gold", "tenant-beech": "silver", "tenant-cedar": "bronze", "tenant-dogwood": "trial" };
const SECONDS = 30;
let pending = null;
let loaded = 0;

async function load(tenant) {
  await sleep(15);
  return { tenant, plan: plans[tenant] };
}

function settings(tenant) {
  // Wrong: meant to spare loads that overlap, but the promise is the first tenant's for everyone.
  if (!pending) {
    loaded = Date.now();
    pending = load(tenant).finally(() => (pending = null));
  }
  return pending;
}

export async function handler(event) {
  const { tenant, plan } = await settings(event.tenant);
  return { user: event.user, tenant, plan, fresh: Date.now() - loaded < SECONDS * 1000 };
}
