// Asks a price service over connections that are kept; it runs in this file for the example.
import http from "node:http";

const prices = { tea: 450, coffee: 790, cocoa: 620, mate: 540 };
const service = http.createServer({ keepAliveTimeout: 60_000 }, (request, response) => response.end(JSON.stringify({ cents: prices[request.url.slice(1)] })));
await new Promise((resolve) => service.listen(0, "127.0.0.1", resolve));
service.unref();

// Right: an agent for the worker's life that keeps a few connections for the next requests.
const agent = new http.Agent({ keepAlive: true, maxSockets: 2, timeout: 60_000 });

async function price(good) {
  const options = { port: service.address().port, host: "127.0.0.1", path: `/${good}`, agent };
  const response = await new Promise((resolve, reject) => http.get(options, resolve).on("error", reject));
  let text = "";
  for await (const part of response) text += part;
  return JSON.parse(text).cents;
}

export async function handler(event) {
  return { order: event.order, cents: (await price(event.good)) * event.count };
}
