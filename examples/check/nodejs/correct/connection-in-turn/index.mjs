// Asks a line-based dictionary server over one connection; the server runs in this file for the example.
import { once } from "node:events";
import net from "node:net";

const server = net.createServer((socket) => {
  socket.setEncoding("utf8");
  socket.on("data", (text) => {
    for (const word of text.trim().split("\n")) setTimeout(() => socket.write(`${word} means ${[...word].reverse().join("")}\n`), 2);
  });
});
server.listen(0, "127.0.0.1");
await once(server, "listening");
server.unref();

const socket = net.connect(server.address().port, "127.0.0.1");
socket.setEncoding("utf8");
socket.unref();
await once(socket, "connect");

let last = Promise.resolve();

function ask(word) {
  // Right: the next one writes only when the answer before is there.
  const mine = last.then(async () => {
    const answer = once(socket, "data");
    socket.write(word + "\n");
    return (await answer)[0].trim();
  });
  last = mine.catch(() => {});
  return mine;
}

export async function handler(event) {
  return { asked: event.word, answer: await ask(event.word) };
}
