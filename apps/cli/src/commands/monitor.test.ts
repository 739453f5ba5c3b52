import assert from "node:assert/strict";
import { test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { sentence } from "./monitor.ts";

const packet = {
  time: "2026-11-26T04:18:57.162527Z",
  direction: "ingress",
  endpointId: 7,
  sourceIdentity: 300,
  destinationIdentity: 1,
  ifindex: 3,
  packetLength: 60,
  summary: "10.0.0.1:4000 -> 10.0.0.2:80 tcp SYN",
  packet: "",
} as const;
const ref = { kind: "NetworkPolicy", namespace: "shop", name: "isolate" } as const;
const isolate = { kind: "default-deny", by: [{ ref, path: "spec" }] } as const;
const rule = { number: 9, name: "default deny of NetworkPolicy shop/isolate", ...isolate } as const;

const rows: readonly (readonly [string, Parameters<typeof sentence>[0], string])[] = [
  [
    "a drop by policy says whose it is",
    { ...packet, kind: "drop", code: 133, reason: "Policy denied", rule },
    "drop 133 (Policy denied) endpoint 7 ingress identity 300 -> host: 10.0.0.1:4000 -> 10.0.0.2:80 tcp SYN; denied by default deny of NetworkPolicy shop/isolate",
  ],
  [
    "what audit mode lets through says who would deny it",
    { ...packet, kind: "policy-verdict", code: 3, verdict: "audit", rule },
    "policy audit (let through) endpoint 7 ingress identity 300 -> host: 10.0.0.1:4000 -> 10.0.0.2:80 tcp SYN; denied by default deny of NetworkPolicy shop/isolate",
  ],
  [
    "what is allowed says by which rule, by its number where that is all that is known",
    {
      ...packet,
      kind: "policy-verdict",
      code: 2,
      verdict: "allow",
      rule: { number: 12, name: "rule 12" },
    },
    "policy allow endpoint 7 ingress identity 300 -> host: 10.0.0.1:4000 -> 10.0.0.2:80 tcp SYN; allowed by rule 12",
  ],
  [
    "other drops have no rule",
    { ...packet, kind: "drop", code: 132, reason: "Invalid source ip" },
    "drop 132 (Invalid source ip) endpoint 7 ingress identity 300 -> host: 10.0.0.1:4000 -> 10.0.0.2:80 tcp SYN",
  ],
];

for (const [name, event, text] of rows) {
  test(name, () => {
    assert.equal(stripVTControlCharacters(sentence(event)), `04:18:57.162527Z ${text}`);
  });
}
