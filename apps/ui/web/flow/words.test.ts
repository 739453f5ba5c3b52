import assert from "node:assert/strict";
import { test } from "node:test";
import { emptyFlow, type Flow, type Layer7 } from "@tsilium/hubble/model.ts";
import type { SeenFlow } from "../../src/shared/seen-flow.ts";
import { infoText, refusalText } from "./words.ts";

type Of<Kind extends Layer7["kind"]> = Extract<Layer7, { readonly kind: Kind }>;

const request = { type: 1, latencyNs: 0 } as const;
const response = { type: 2, latencyNs: 1 } as const;
const asked: Omit<Of<"http">, "type" | "latencyNs" | "code"> = {
  kind: "http",
  method: "GET",
  url: "http://web/a",
  protocol: "HTTP/1.1",
  headers: [],
};
const question: Omit<Of<"dns">, "type" | "latencyNs"> = {
  kind: "dns",
  query: "a.example.",
  ips: [],
  ttl: 0,
  cnames: [],
  observationSource: "proxy",
  rcode: 0,
  qtypes: ["A"],
  rrtypes: [],
};
const kafka: Omit<Of<"kafka">, "type" | "latencyNs" | "topic"> = {
  kind: "kafka",
  errorCode: 0,
  apiVersion: 9,
  apiKey: "produce",
  correlationId: 4,
};

const infos: readonly [Layer7, string][] = [
  [{ ...request, ...asked, code: 0 }, "GET /a"],
  [{ ...response, ...asked, code: 200 }, "GET /a → 200"],
  [{ ...request, ...asked, method: "", url: "https://web", code: 0 }, "https://web"],
  [{ ...request, ...question }, "A a.example."],
  [{ ...response, ...question, cnames: ["b."], ips: ["10.0.0.1"] }, "A a.example. → b., 10.0.0.1"],
  [{ ...response, ...question, rcode: 3 }, "A a.example. → code 3"],
  [{ ...request, ...kafka, topic: "orders" }, "produce orders"],
  [{ ...response, ...kafka, topic: "orders", errorCode: 29 }, "produce orders → error 29"],
  [{ ...response, ...kafka, topic: "" }, "produce"],
];

for (const [l7, text] of infos)
  test(`a request or answer in a line: ${text}`, () => {
    assert.equal(infoText(seen({ l7 })), text);
  });

const policy = {
  name: "web",
  namespace: "shop",
  labels: [],
  revision: 1,
  kind: "CiliumNetworkPolicy",
};

test("what a proxy refused is said to be the proxy's, not the datapath's", () => {
  const l7: Layer7 = { ...request, ...asked, code: 0 };
  const dropped = { l7, verdict: 2, ingressDeniedBy: [policy] };
  assert.equal(
    refusalText(seen(dropped)),
    "The proxy refused the request: this policy selects the pod, and none of its rules about HTTP allows this.",
  );
  assert.match(
    refusalText(seen({ ...dropped, verdict: 4 })) ?? "",
    /^The proxy would have refused/,
  );
  assert.match(refusalText(seen({ l7, verdict: 2 })) ?? "", /no rule allows it/);
  assert.equal(refusalText(seen({ l7, verdict: 1 })), undefined);
  assert.equal(refusalText(seen({ verdict: 2, dropReason: 133 })), undefined);
});

function seen(parts: Partial<Flow>): SeenFlow {
  return { ...emptyFlow, ...parts } as unknown as SeenFlow;
}
