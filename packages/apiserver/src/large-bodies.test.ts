// Requests of many TLS records after answers as long, from a client that is busy at the same time: a thread of its own.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Worker } from "node:worker_threads";
import { TestServer } from "./testing/server.ts";

const api = await TestServer.start();
after(() => api[Symbol.asyncDispose]());

const requests = 200;
const bytes = 400_000;

/** Creates ConfigMaps one after the other, and says which failed. */
const client = `
  const { parentPort, workerData } = require("node:worker_threads");
  const { Agent, request } = require("node:https");
  const { port, ca, requests, bytes } = workerData;
  const agent = new Agent({ keepAlive: true });
  const create = (name) => new Promise((resolve) => {
    const headers = { Authorization: "Bearer admin-token", "Content-Type": "application/json" };
    const path = "/api/v1/namespaces/default/configmaps";
    const sent = request({ host: "127.0.0.1", port, ca, agent, method: "POST", path, headers }, (answer) => {
      answer.resume();
      answer.on("end", () => resolve(String(answer.statusCode)));
    });
    sent.on("error", (error) => resolve(error.message));
    const body = { apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data: { a: "x".repeat(bytes) } };
    sent.end(JSON.stringify(body));
  });
  (async () => {
    const outcomes = [];
    for (let at = 0; at < requests; at++) outcomes.push(await create("large-" + at));
    agent.destroy();
    parentPort.postMessage(outcomes.filter((outcome) => outcome !== "201"));
  })();
`;

test("a long request after a long answer is read to its end", async () => {
  const workerData = { port: api.server.port, ca: api.pki.ca, requests, bytes };
  const worker = new Worker(client, { eval: true, workerData });
  const { promise, resolve, reject } = Promise.withResolvers<readonly string[]>();
  worker.once("message", resolve);
  worker.once("error", reject);
  assert.deepEqual(await promise, []);
  await worker.terminate();
});
