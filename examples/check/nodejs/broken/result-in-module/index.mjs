// Greets a member by the profile that it loads.
import { setTimeout as sleep } from "node:timers/promises";

const names = { "member-1": "Irene Falk", "member-2": "Joao Lima", "member-3": "Kenji Mori", "member-4": "Lotte Haas" };

// Wrong: what a promise brought is kept for all, and another request replaces it before it is read.
let profile;

async function load(id) {
  await sleep(10);
  profile = { id, name: names[id] };
}

async function audit(id) {
  await sleep(10);
  return `seen ${id}`;
}

export async function handler(event) {
  await load(event.member);
  const note = await audit(event.member);
  return { greeting: `Hello, ${profile.name}`, member: profile.id, note };
}
