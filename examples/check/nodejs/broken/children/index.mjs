// Starts the indexing of an uploaded document.
import { spawn } from "node:child_process";

export async function handler(event) {
  // Wrong: nobody waits for the child process; one more stays behind with each request.
  const child = spawn("/bin/sleep", ["120"], { stdio: "ignore", argv0: `index-${event.document}` });
  child.unref();
  return { document: event.document, indexing: child.pid > 0 };
}
