// Derives a key from a password.
import { pbkdf2 } from "node:crypto";
import { promisify } from "node:util";

const derive = promisify(pbkdf2);
const ROUNDS = 20_000;

export async function handler(event) {
  // Right: the work is done by a thread of Node's own while the loop serves others.
  const key = await derive(event.password, event.account, ROUNDS, 32, "sha256");
  return { account: event.account, key: key.toString("hex").slice(0, 16) };
}
