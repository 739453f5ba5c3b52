import assert from "node:assert/strict";
import { test } from "node:test";
import { Address } from "@tsilium/net";
import type { EndpointSlice, Pod, Service } from "@tsilium/kube";
import { type ClusterView, findInCluster, findReverse } from "./cluster.ts";
import { type DnsRecord, types } from "./message.ts";
import { nameText, parseName, withinZone } from "./name.ts";
import { reverseName } from "./reverse.ts";

const domain = parseName("cluster.local");
const services: Service[] = [
  {
    metadata: { name: "web", namespace: "demo" },
    spec: {
      clusterIP: "10.96.0.5",
      clusterIPs: ["10.96.0.5", "fd00:10:96::5"],
      ports: [{ name: "http", port: 80 }],
    },
  },
  { metadata: { name: "db", namespace: "demo" }, spec: { clusterIP: "None" } },
  {
    metadata: { name: "out", namespace: "demo" },
    spec: { type: "ExternalName", externalName: "api.example.org" },
  },
];
const slices: EndpointSlice[] = [
  {
    metadata: { name: "db-4", namespace: "demo", labels: { "kubernetes.io/service-name": "db" } },
    addressType: "IPv4",
    ports: [{ name: "sql", protocol: "TCP", port: 5432 }],
    endpoints: [
      { addresses: ["10.244.0.7"], hostname: "db-0", conditions: { ready: true } },
      { addresses: ["10.244.0.8"], conditions: { ready: false } },
      { addresses: ["10.244.1.9"] },
    ],
  },
];
const pods: Pod[] = [
  {
    metadata: { name: "p", namespace: "demo" },
    spec: { containers: [] },
    status: { podIPs: [{ ip: "10.244.0.7" }] },
  },
];
const view: ClusterView = {
  service: (namespace, name) =>
    services.find(({ metadata }) => metadata.namespace === namespace && metadata.name === name),
  servicesByAddress: (address) => services.filter(({ spec }) => spec.clusterIPs?.includes(address)),
  slices: (_namespace, service) =>
    slices.filter(({ metadata }) => metadata.labels?.["kubernetes.io/service-name"] === service),
  slicesByAddress: (address) =>
    slices.filter(({ endpoints = [] }) =>
      endpoints.some(({ addresses }) => addresses.includes(address)),
    ),
  podsByAddress: (address) =>
    pods.filter(({ status }) => status?.podIPs?.some(({ ip }) => ip === address)),
  hasNamespace: (name) => name === "demo",
};

/** "10.96.0.5" | "CNAME api.example.org." | "NXDOMAIN" | "NODATA" */
function ask(name: string, type: keyof typeof types): string {
  const question = { name: parseName(name), type: types[type], class: 1 };
  const rest = withinZone(question.name, domain);
  const found = rest
    ? findInCluster(rest, question, { view, domain })
    : findReverse(question, { view, domain });
  if (!found) return "FORWARD";
  if (!found.exists) return "NXDOMAIN";
  return found.records.map(recordText).join(" ") || "NODATA";
}

function recordText(record: DnsRecord): string {
  switch (record.type) {
    case "A":
    case "AAAA":
      return Address.fromBytes(record.address).toString();
    case "SRV":
      return `SRV ${record.port} ${nameText(record.target)}`;
    case "TXT":
      return record.texts.join();
    case "SOA":
      return "SOA";
    default:
      return `${record.type} ${nameText(record.target)}`;
  }
}

const cases: readonly (readonly [name: string, type: keyof typeof types, answer: string])[] = [
  ["web.demo.svc.cluster.local", "A", "10.96.0.5"],
  ["WEB.demo.svc.cluster.local.", "AAAA", "fd00:10:96::5"],
  ["web.demo.svc.cluster.local", "TXT", "NODATA"],
  ["nosuch.demo.svc.cluster.local", "A", "NXDOMAIN"],
  ["web.other.svc.cluster.local", "A", "NXDOMAIN"],
  ["demo.svc.cluster.local", "A", "NODATA"],
  ["svc.cluster.local", "A", "NODATA"],
  ["cluster.local", "A", "NODATA"],
  ["dns-version.cluster.local", "TXT", "1.1.0"],
  ["_http._tcp.web.demo.svc.cluster.local", "SRV", "SRV 80 web.demo.svc.cluster.local."],
  ["_http._udp.web.demo.svc.cluster.local", "SRV", "NXDOMAIN"],
  ["db.demo.svc.cluster.local", "A", "10.244.0.7 10.244.1.9"],
  ["db.demo.svc.cluster.local", "AAAA", "NODATA"],
  ["db-0.db.demo.svc.cluster.local", "A", "10.244.0.7"],
  ["10-244-1-9.db.demo.svc.cluster.local", "A", "10.244.1.9"],
  ["10-244-0-8.db.demo.svc.cluster.local", "A", "NXDOMAIN"],
  [
    "_sql._tcp.db.demo.svc.cluster.local",
    "SRV",
    "SRV 5432 db-0.db.demo.svc.cluster.local. SRV 5432 10-244-1-9.db.demo.svc.cluster.local.",
  ],
  ["out.demo.svc.cluster.local", "A", "CNAME api.example.org."],
  ["10-244-0-7.demo.pod.cluster.local", "A", "10.244.0.7"],
  ["10-244-0-99.demo.pod.cluster.local", "A", "NXDOMAIN"],
  [nameText(reverseName(Address.parse("10.96.0.5"))), "PTR", "PTR web.demo.svc.cluster.local."],
  [nameText(reverseName(Address.parse("fd00:10:96::5"))), "PTR", "PTR web.demo.svc.cluster.local."],
  [
    nameText(reverseName(Address.parse("10.244.0.7"))),
    "PTR",
    "PTR db-0.db.demo.svc.cluster.local.",
  ],
  [nameText(reverseName(Address.parse("203.0.113.10"))), "PTR", "FORWARD"],
  ["example.org", "A", "FORWARD"],
];

for (const [name, type, answer] of cases) {
  test(`${type} of ${name} is ${answer}`, () => assert.equal(ask(name, type), answer));
}
