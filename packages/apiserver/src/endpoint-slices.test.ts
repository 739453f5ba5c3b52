// What an EndpointSlice must not say, row by row, and its limits.
import { strict as assert } from "node:assert";
import { after, before, test } from "node:test";
import { TestServer } from "./testing/server.ts";

let api: TestServer;
before(async () => {
  api = await TestServer.start();
});
after(async () => {
  await api[Symbol.asyncDispose]();
  assert.deepEqual(api.faults, []);
});

const path = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";

let made = 0;
const slice = (body: object) => ({
  metadata: { name: `e${made++}` },
  addressType: "IPv4",
  ...body,
});
const endpoint = (more: object) => slice({ endpoints: [{ addresses: ["10.0.0.1"], ...more }] });
const addressed = (addressType: string, ...addresses: string[]) =>
  slice({ addressType, endpoints: [{ addresses }] });
const named = (count: number) => Array.from({ length: count }, (_, at) => ({ name: `n${at}` }));

/** sentence, object, fields of the causes */
const refused: readonly (readonly [string, object, string])[] = [
  ["no address type", { metadata: { name: "e" } }, "addressType"],
  ["an address type there is none", slice({ addressType: "IP" }), "addressType"],
  ["an endpoint without addresses", endpoint({ addresses: [] }), "endpoints[0].addresses"],
  [
    "an IPv6 address among IPv4",
    addressed("IPv4", "10.0.0.1", "fd00::1"),
    "endpoints[0].addresses[1]",
  ],
  ["an IPv4 address among IPv6", addressed("IPv6", "10.0.0.1"), "endpoints[0].addresses[0]"],
  ["an IPv4-mapped address", addressed("IPv6", "::ffff:10.0.0.1"), "endpoints[0].addresses[0]"],
  ["loopback", addressed("IPv4", "127.0.0.1"), "endpoints[0].addresses[0]"],
  ["link-local", addressed("IPv4", "169.254.169.254"), "endpoints[0].addresses[0]"],
  ["multicast", addressed("IPv4", "239.1.1.1"), "endpoints[0].addresses[0]"],
  ["unspecified", addressed("IPv4", "0.0.0.0"), "endpoints[0].addresses[0]"],
  [
    "the same of IPv6",
    addressed("IPv6", "::1", "fe80::1", "ff02::1", "::"),
    [0, 1, 2, 3].map((at) => `endpoints[0].addresses[${at}]`).join(),
  ],
  ["a name of one part", addressed("FQDN", "localhost"), "endpoints[0].addresses[0]"],
  ["a node's name in capitals", endpoint({ nodeName: "N1" }), "endpoints[0].nodeName"],
  ["a host's name with a dot", endpoint({ hostname: "a.b" }), "endpoints[0].hostname"],
  ["nine zones", endpoint({ hints: { forZones: named(9) } }), "endpoints[0].hints.forZones"],
  [
    "a zone twice",
    endpoint({ hints: { forZones: [{ name: "a" }, { name: "a" }] } }),
    "endpoints[0].hints.forZones[1].name",
  ],
  [
    "a zone that is no label value",
    endpoint({ hints: { forZones: [{ name: "a b" }] } }),
    "endpoints[0].hints.forZones[0].name",
  ],
  [
    "a node twice",
    endpoint({ hints: { forNodes: [{ name: "n1" }, { name: "n1" }] } }),
    "endpoints[0].hints.forNodes[1].name",
  ],
  ["port 0", slice({ ports: [{ port: 0 }] }), "ports[0].port"],
  ["two ports of one name", slice({ ports: [{ port: 1 }, { port: 2 }] }), "ports[1].name"],
  ["a protocol there is none", slice({ ports: [{ protocol: "QUIC" }] }), "ports[0].protocol"],
  [
    "1,001 endpoints",
    slice({ endpoints: Array.from({ length: 1_001 }, () => ({ addresses: ["10.0.0.1"] })) }),
    "endpoints",
  ],
];
for (const [sentence, body, fields] of refused) {
  test(`refused: ${sentence}`, async () => {
    const answer = await api.send("POST", path, { body });
    assert.equal(answer.status, 422, answer.text.slice(0, 500));
    const causes = answer.body["details"].causes as { field: string }[];
    assert.equal(causes.map((cause) => cause.field).join(), fields);
  });
}

test("a thousand endpoints and 20,000 ports fit, the 20,001st does not", async () => {
  const endpoints = Array.from({ length: 1_000 }, (_, at) => ({
    addresses: [`10.1.${at >> 8}.${at & 255}`],
    conditions: { ready: true, serving: true, terminating: false },
    nodeName: "node-1",
    zone: "a",
    hints: { forZones: [{ name: "a" }], forNodes: [{ name: "node-1" }] },
  }));
  await api.create(path, slice({ endpoints, ports: [{ port: 80 }] }));
  const ports = Array.from({ length: 20_001 }, (_, at) => ({ name: `p${at}`, port: 1 + at }));
  const { status, body } = await api.send("POST", path, { body: slice({ ports }) });
  assert.equal(status, 422);
  assert.equal(body["details"].causes[0].field, "ports");
  await api.create(path, slice({ ports: ports.slice(1) }));
});

test("a port without a number stands for all; names and protocols have their defaults", async () => {
  const made = await api.create(path, slice({ ports: [{}] }));
  assert.deepEqual(made["ports"], [{ name: "", protocol: "TCP" }]);
});

test("names may be endpoints, and the type of a slice's addresses stays", async () => {
  const made = await api.create(path, addressed("FQDN", "a.example.com", "b.example.com."));
  const { status, body } = await api.send("PUT", `${path}/${made["metadata"].name}`, {
    body: { ...made, addressType: "IPv4", endpoints: [{ addresses: ["10.0.0.1"] }] },
  });
  assert.equal(status, 422);
  assert.equal(body["details"].causes[0].field, "addressType");
});
