// Lists the documents that the caller may see.
import { setTimeout as sleep } from "node:timers/promises";

const documents = [
  { name: "handbook", owner: null },
  { name: "salaries", owner: "maria.keller" },
  { name: "roadmap", owner: "jonas.weber" },
  { name: "budget", owner: "paula.ruiz" },
];

// Wrong: requests overlap on one loop; after an await it is whoever came last.
let currentUser = null;

async function query() {
  await sleep(20); // what the database takes
  return documents.filter(({ owner }) => owner === null || owner === currentUser);
}

export async function handler(event) {
  currentUser = event.user;
  const visible = await query();
  return { user: currentUser, documents: visible.map(({ name }) => name) };
}
