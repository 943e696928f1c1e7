// Asks a line-based dictionary server over one connection; the server runs in this file for the example.
import { once } from "node:events";
import net from "node:net";

const server = net.createServer((socket) => {
  socket.setEncoding("utf8");
  socket.on("data", (text) => {
    for (const word of text.trim().split("\n")) setTimeout(() => socket.write(`${word} means ${[...word].reverse().join("")}\n`), 10);
  });
});
server.listen(0, "127.0.0.1");
await once(server, "listening");
server.unref();

const socket = net.connect(server.address().port, "127.0.0.1");
socket.setEncoding("utf8");
socket.unref();
await once(socket, "connect");

export async function handler(event) {
  socket.write(event.word + "\n");
  // Wrong: whoever waits takes the next answer, though it may be that to another request's word.
  const [text] = await once(socket, "data");
  return { asked: event.word, answer: text.split("\n")[0] };
}
