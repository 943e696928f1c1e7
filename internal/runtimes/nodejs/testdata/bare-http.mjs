// The least Runtime API loop that one would write with node:http.
import http from "node:http";

const [hostname, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true, maxSockets: Infinity });
const root = "/2018-06-01/runtime/invocation/";

const call = (method, path, body) =>
  new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body) };
    const request = http.request({ hostname, port, method, path: root + path, agent, headers }, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("end", () => resolve({ headers: response.headers, body: Buffer.concat(chunks).toString() }));
    });
    request.on("error", reject);
    request.end(body);
  });

const handler = async (event) => event;

async function loop() {
  for (;;) {
    const { headers, body } = await call("GET", "next");
    const result = await handler(JSON.parse(body));
    await call("POST", `${headers["lambda-runtime-aws-request-id"]}/response`, JSON.stringify(result));
  }
}

for (let i = 0; i < Number(process.env.AWS_LAMBDA_MAX_CONCURRENCY); i++) loop();
