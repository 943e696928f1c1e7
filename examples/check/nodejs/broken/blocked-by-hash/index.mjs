// Derives a key from a password.
import { pbkdf2Sync } from "node:crypto";

const ROUNDS = 2_000_000;

export async function handler(event) {
  // Wrong: the synchronous form holds the loop; all other requests of this worker stand still meanwhile.
  const key = pbkdf2Sync(event.password, event.account, ROUNDS, 32, "sha256");
  return { account: event.account, key: key.toString("hex").slice(0, 16) };
}
