// Asks a price service; it runs in this file for the example.
import http from "node:http";

const prices = { tea: 450, coffee: 790, cocoa: 620, mate: 540 };
const service = http.createServer((request, response) => response.end(JSON.stringify({ cents: prices[request.url.slice(1)] })));
await new Promise((resolve) => service.listen(0, "127.0.0.1", resolve));
service.unref();

async function price(good) {
  // Wrong: without an agent that keeps connections there is a new one for each request.
  const options = { port: service.address().port, host: "127.0.0.1", path: `/${good}`, agent: false };
  const response = await new Promise((resolve, reject) => http.get(options, resolve).on("error", reject));
  let text = "";
  for await (const part of response) text += part;
  return JSON.parse(text).cents;
}

export async function handler(event) {
  return { order: event.order, cents: (await price(event.good)) * event.count };
}
