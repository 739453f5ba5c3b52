import { testServer } from "./server.ts";
import { unknownEndpoint } from "@tsilium/hubble/model.ts";
const s = await testServer();
for (let i = 0; i < 100; i++) s.add({ timeNs: BigInt(Date.now())*1000000n, verdict: 1, source: { ...unknownEndpoint, podName: "a" } });
console.log(s.address);
process.on("SIGTERM", async () => { await s[Symbol.asyncDispose](); process.exit(0); });
setTimeout(() => {}, 600000);
