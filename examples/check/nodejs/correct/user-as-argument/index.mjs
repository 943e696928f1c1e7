// Lists the documents that the caller may see.
import { setTimeout as sleep } from "node:timers/promises";

const documents = [
  { name: "handbook", owner: null },
  { name: "salaries", owner: "maria.keller" },
  { name: "roadmap", owner: "jonas.weber" },
  { name: "budget", owner: "paula.ruiz" },
];

async function query(user) {
  await sleep(20);
  return documents.filter(({ owner }) => owner === null || owner === user);
}

export async function handler(event) {
  // Right: the user goes along as an argument.
  const currentUser = event.user;
  const visible = await query(currentUser);
  return { user: currentUser, documents: visible.map(({ name }) => name) };
}
