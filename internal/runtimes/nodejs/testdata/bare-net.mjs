// A Runtime API loop with nothing but sockets: the answer goes out with the next poll, and of
// HTTP it knows where heads and bodies end. As low as it gets; it could not serve functions.
import { connect } from "node:net";

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const root = "/2018-06-01/runtime/invocation/";
const next = `GET ${root}next HTTP/1.1\r\nHost: x\r\n\r\n`;
const handler = async (event) => event;

async function loop() {
  const socket = connect({ host, port: Number(port), noDelay: true });
  let rest = "";
  let arrived = () => {};
  socket.on("data", (chunk) => {
    rest += chunk.latin1Slice();
    arrived();
  });
  const read = async () => {
    for (;;) {
      const end = rest.indexOf("\r\n\r\n") + 4;
      if (end > 3) {
        const head = rest.slice(0, end);
        const whole = end + parseInt(/content-length: (\d+)/i.exec(head)[1], 10);
        if (rest.length >= whole) {
          const body = rest.slice(end, whole);
          rest = rest.slice(whole);
          return { head, body };
        }
      }
      await new Promise((resolve) => (arrived = resolve));
    }
  };
  socket.write(next);
  for (;;) {
    const { head, body } = await read();
    const id = /aws-request-id: ([^\r]+)/i.exec(head)[1];
    const result = JSON.stringify(await handler(JSON.parse(body)));
    socket.write(`POST ${root}${id}/response HTTP/1.1\r\nHost: x\r\nContent-Length: ${Buffer.byteLength(result)}\r\n\r\n${result}${next}`);
    await read();
  }
}

for (let i = 0; i < Number(process.env.AWS_LAMBDA_MAX_CONCURRENCY); i++) loop();
