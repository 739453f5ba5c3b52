// Records of proxies, and the flows that they are.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Flow, type Layer7, TrafficDirection, Verdict } from "../model.ts";
import type { L7Record } from "./l7.ts";
import { l7Summary } from "./l7-summary.ts";
import { cart, db, scene, told, unixNs, web, worldClient } from "./testing/world.ts";

const http: Layer7 = {
  kind: "http",
  type: 1,
  latencyNs: 0,
  code: 0,
  method: "GET",
  url: "http://db/items?id=1",
  protocol: "HTTP/1.1",
  headers: [
    { key: "User-Agent", value: "curl" },
    { key: "Accept", value: "*/*" },
  ],
};
const dns: Layer7 = {
  kind: "dns",
  type: 2,
  latencyNs: 0,
  query: "example.com.",
  ips: [worldClient, "203.0.113.11"],
  ttl: 30,
  cnames: [],
  observationSource: "proxy",
  rcode: 0,
  qtypes: ["A"],
  rrtypes: ["A", "A"],
};
const kafka: Layer7 = {
  kind: "kafka",
  type: 2,
  latencyNs: 0,
  errorCode: 3,
  apiVersion: 5,
  apiKey: "fetch",
  correlationId: 9,
  topic: "orders",
};

const record: L7Record = {
  timeNs: unixNs - 500_000_000n,
  endpointId: db.id,
  direction: TrafficDirection.ingress,
  source: { address: web.ipv4, port: 40_000, identity: web.identity },
  destination: { address: db.ipv4, port: 5432, identity: db.identity },
  protocol: 6,
  verdict: Verdict.forwarded,
  l7: http,
  rule: 1,
  proxyPort: 10_001,
  policyLog: ["audit"],
};

function flowsOf(made: ReturnType<typeof scene>, changes: Partial<L7Record>): Flow[] {
  const out: Flow[] = [];
  made.decoder.l7({ ...record, ...changes }, out);
  return out;
}

test("a request names both ends, the rule, and what was asked", () => {
  assert.deepEqual(flowsOf(scene(), {}).map(told), [
    {
      verdict: Verdict.forwarded,
      ip: "v1 10.244.0.5 > 10.244.0.6",
      l4: "tcp 40000 > 5432",
      source: "shop/web-1 (7, 4711) of Deployment web in default",
      destination: "shop/db-0 (8, 4712) of StatefulSet db in default",
      type: 2,
      l7: { ...http, headers: http.kind === "http" ? http.headers.toReversed() : [] },
      isReply: false,
      eventType: "129:0",
      direction: TrafficDirection.ingress,
      proxyPort: 10_001,
      summary: "HTTP/1.1 GET http://db/items?id=1",
      ingressAllowedBy: [
        "CiliumNetworkPolicy shop/db r9 tsilium:io.tsilium.policy.rule-path=spec.ingress[0]",
      ],
      policyLog: ["audit"],
    },
  ]);
});

test("a refused request is denied by its rule; an answer is a reply", () => {
  const [refused] = flowsOf(scene(), {
    verdict: Verdict.dropped,
    direction: TrafficDirection.egress,
  });
  assert.deepEqual(
    [refused?.egressDeniedBy.length, refused?.ingressAllowedBy.length, refused?.dropReason],
    [1, 0, 0],
  );
  const [answer] = flowsOf(scene(), { l7: { ...http, type: 2, code: 200 } });
  assert.equal(answer?.isReply, true);
});

test("a request that an audit lets through is told with whose rules would have denied it", () => {
  const [audited] = flowsOf(scene(), { verdict: Verdict.audit });
  assert.deepEqual(
    [audited?.verdict, audited?.ingressDeniedBy.length, audited?.ingressAllowedBy.length],
    [Verdict.audit, 1, 0],
  );
});

test("a pod's DNS answers name addresses, for that pod only", () => {
  const made = scene();
  flowsOf(made, { endpointId: web.id, direction: TrafficDirection.egress, l7: dns, protocol: 17 });
  const [flow] = flowsOf(made, { destination: { address: worldClient, port: 443, identity: 0 } });
  assert.deepEqual(flow?.destinationNames, ["example.com"]);
  const [reply] = flowsOf(made, {
    source: { address: worldClient, port: 443, identity: 0 },
    destination: record.source,
  });
  assert.deepEqual(reply?.sourceNames, ["example.com"]);
  const [other] = flowsOf(made, {
    source: record.destination,
    destination: { address: worldClient, port: 443, identity: 0 },
  });
  assert.deepEqual(other?.destinationNames, []);
});

test("refused, failed and others' answers teach nothing", () => {
  const made = scene();
  const asked = { endpointId: web.id, direction: TrafficDirection.egress, l7: dns };
  flowsOf(made, { ...asked, verdict: Verdict.dropped });
  flowsOf(made, { ...asked, direction: TrafficDirection.ingress });
  flowsOf(made, { ...asked, l7: { ...dns, rcode: 3 } });
  assert.deepEqual(made.enricher.names.of(web.id, worldClient), []);
});

test("an address that is none leaves the flow without one", () => {
  const nowhere = { address: "", port: 0, identity: 0 };
  const [flow] = flowsOf(scene(), { source: nowhere, destination: nowhere });
  assert.equal(flow?.ip, undefined);
  const [half] = flowsOf(scene(), {
    source: nowhere,
    destination: { ...nowhere, address: cart.ipv6 },
  });
  assert.equal(half?.ip?.version, 2);
});

for (const [l7, summary] of [
  [http, "HTTP/1.1 GET http://db/items?id=1"],
  [
    { ...http, type: 2, code: 503, latencyNs: 12_900_000 },
    "HTTP/1.1 503 12ms (GET http://db/items?id=1)",
  ],
  [{ ...http, protocol: "TLS", method: "", url: "https://db" }, "TLS https://db"],
  [{ ...http, protocol: "", method: "", url: "" }, "no request that could be read"],
  [{ ...dns, type: 1 }, "DNS Query example.com. A"],
  [dns, `DNS Answer "203.0.113.10,203.0.113.11" TTL: 30 (Proxy example.com. A)`],
  [
    { ...dns, ips: [], cnames: ["a.example.", "b.example."], qtypes: ["A", "AAAA"] },
    `DNS Answer CNAMEs: "a.example.,b.example." TTL: 30 (Proxy example.com. A,AAAA)`,
  ],
  [
    { ...dns, rcode: 3, observationSource: "" },
    "DNS Answer RCode: Non-Existent Domain TTL: 30 (Query example.com. A)",
  ],
  [kafka, "Kafka response fetch correlation id 9 topic 'orders' return code 3"],
  [{ ...kafka, type: 1 }, "Kafka request fetch correlation id 9 topic 'orders'"],
] as const)
  test(`the summary is: ${summary}`, () => {
    assert.equal(l7Summary(l7 as Layer7), summary);
  });
