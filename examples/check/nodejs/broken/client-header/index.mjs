// Asks the stock service of the caller's shop; the service runs in this file for the example.
import http from "node:http";

const service = http.createServer((request, response) => {
  setTimeout(() => response.end(JSON.stringify({ path: request.url, tenant: request.headers["x-tenant"] })), 5);
});
await new Promise((resolve) => service.listen(0, "127.0.0.1", resolve));
service.unref();

const client = {
  agent: new http.Agent({ keepAlive: true }),
  headers: { accept: "application/json" },
  async sign() {
    await new Promise((resolve) => setTimeout(resolve, 10)); // asks for a token
    this.headers["x-date"] = "2026-11-26";
  },
  async get(path) {
    await this.sign();
    const options = { port: service.address().port, path, headers: this.headers, agent: this.agent };
    const response = await new Promise((resolve, reject) => http.get(options, resolve).on("error", reject));
    let text = "";
    for await (const part of response) text += part;
    return JSON.parse(text);
  },
};

export async function handler(event) {
  // Wrong: the header is the client's, so an overlapping request sends this one's or another's tenant.
  client.headers["x-tenant"] = event.tenant;
  const { path, tenant } = await client.get(`/stock/${event.item}`);
  return { path, tenant };
}
