// Asks the stock service of the caller's shop; the service runs in this file for the example.
import http from "node:http";

const service = http.createServer((request, response) => {
  setTimeout(() => response.end(JSON.stringify({ path: request.url, tenant: request.headers["x-tenant"] })), 5);
});
await new Promise((resolve) => service.listen(0, "127.0.0.1", resolve));
service.unref();

const client = {
  agent: new http.Agent({ keepAlive: true, maxSockets: 8 }),
  headers: Object.freeze({ accept: "application/json" }),
  async get(path, headers) {
    const options = { port: service.address().port, path, headers: { ...this.headers, ...headers }, agent: this.agent };
    const response = await new Promise((resolve, reject) => http.get(options, resolve).on("error", reject));
    let text = "";
    for await (const part of response) text += part;
    return JSON.parse(text);
  },
};

export async function handler(event) {
  // Right: the tenant goes along with this one request; what all share is never changed.
  const { path, tenant } = await client.get(`/stock/${event.item}`, { "x-tenant": event.tenant });
  return { path, tenant };
}
