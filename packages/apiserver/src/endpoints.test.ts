// core/v1 Endpoints as an object: what is refused, and how kubectl shows it.
import { strict as assert } from "node:assert";
import { after, before, test } from "node:test";
import { TestServer } from "./testing/server.ts";

let api: TestServer;
const path = "/api/v1/namespaces/default/endpoints";

before(async () => {
  api = await TestServer.start();
});
after(async () => {
  assert.deepEqual(api.faults, []);
  await api[Symbol.asyncDispose]();
});

const send = (name: string, subsets: unknown) =>
  api.send("POST", path, { body: { metadata: { name }, subsets } });

const table = { Accept: "application/json;as=Table;v=v1;g=meta.k8s.io" };

for (const [what, subsets, cell] of [
  ["none", undefined, "<none>"],
  ["of one port", [{ addresses: [{ ip: "10.0.0.1" }], ports: [{ port: 80 }] }], "10.0.0.1:80"],
  ["without ports", [{ addresses: [{ ip: "10.0.0.1" }] }], "10.0.0.1"],
  ["of IPv6", [{ addresses: [{ ip: "fd00::1" }], ports: [{ port: 80 }] }], "[fd00::1]:80"],
  ["not ready", [{ notReadyAddresses: [{ ip: "10.0.0.1" }], ports: [{ port: 80 }] }], ""],
  [
    "many",
    [
      {
        addresses: [{ ip: "10.0.0.1" }, { ip: "10.0.0.2" }],
        ports: [
          { name: "a", port: 80 },
          { name: "b", port: 81 },
        ],
      },
    ],
    "10.0.0.1:80,10.0.0.2:80,10.0.0.1:81 + 1 more...",
  ],
] as const)
  test(`addresses, ${what}, are shown as kubectl shows them`, async () => {
    const name = what.replaceAll(" ", "-").toLowerCase();
    assert.equal((await send(name, subsets)).status, 201);
    const { body } = await api.send("GET", `${path}/${name}`, { headers: table });
    assert.equal(body["rows"][0].cells[1], cell);
  });

for (const [what, subsets, cause] of [
  ["no address", [{ ports: [{ port: 80 }] }], "subsets[0]"],
  ["loopback", [{ addresses: [{ ip: "127.0.0.1" }] }], "subsets[0].addresses[0].ip"],
  ["no IP", [{ notReadyAddresses: [{ ip: "x" }] }], "subsets[0].notReadyAddresses[0].ip"],
  [
    "port 0",
    [{ addresses: [{ ip: "10.0.0.1" }], ports: [{ port: 0 }] }],
    "subsets[0].ports[0].port",
  ],
  [
    "two ports without names",
    [{ addresses: [{ ip: "10.0.0.1" }], ports: [{ port: 1 }, { port: 2 }] }],
    "subsets[0].ports[0].name",
  ],
] as const)
  test(`Endpoints with ${what} are refused`, async () => {
    const { status, body } = await send("bad", subsets);
    assert.equal(status, 422);
    assert.equal(body["details"].causes[0].field, cause);
  });
