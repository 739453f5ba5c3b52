// Runs in a client pod: asks for one path over connections that it keeps, without a pause. A line on stdin ends a count,
// and is answered with what the requests came to that were sent since the line before: {"200": 12, "403": 3, "none": 0}.
//
//   node hammer.ts PATH COUNT ADDRESS:PORT...
import { Agent, get } from "node:http";
import { createInterface } from "node:readline";

export type Count = Readonly<Record<string, number>>;

const [path = "", count = "", ...servers] = process.argv.slice(2);
let counted: Record<string, number> = {};
let since = performance.now();

for (const server of servers)
  for (let index = 0; index < Number(count); index++)
    void ask(server, new Agent({ keepAlive: true, maxSockets: 1 }));
console.log(JSON.stringify("begun"));
for await (const _ of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(counted));
  counted = {};
  since = performance.now();
}
process.exit();

async function ask(server: string, agent: Agent): Promise<void> {
  for (;;) {
    const sentAt = performance.now();
    const status = await statusOf(`http://${server}${path}`, agent);
    if (sentAt >= since) counted[status] = (counted[status] ?? 0) + 1;
    if (status === "none") await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function statusOf(url: string, agent: Agent): Promise<string> {
  return new Promise((resolve) => {
    const request = get(url, { agent, timeout: 2_000 }, (response) => {
      response.resume().once("close", () => resolve(String(response.statusCode)));
    });
    request.once("timeout", () => request.destroy());
    request.once("error", () => resolve("none"));
  });
}
