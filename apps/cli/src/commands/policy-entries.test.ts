import assert from "node:assert/strict";
import { test } from "node:test";
import type { KernelSlot } from "@tsilium/datapath";
import { entryRows } from "./policy-entries.ts";

const slot: KernelSlot = {
  slot: 7,
  default: { verdict: "default-deny", rule: 3, response: "icmp" },
  portLengths: [0, 10, 16],
  usesCidr: true,
  defaultIgnoresCidr: false,
  knownPeersOnly: false,
  classes: [
    { identity: 300, class: 1, ignoresCidr: true },
    { identity: 301, class: 1, ignoresCidr: true },
    { identity: 302, class: 2, ignoresCidr: true },
  ],
  cidrClasses: [{ cidrSet: 4, class: 1 }],
  rules: [
    rule({ class: 0, cidrClass: 1, protocol: 17, port: 53, portLength: 16, rule: 12 }),
    rule({
      class: 2,
      cidrClass: 0,
      protocol: 0,
      port: 0,
      portLength: 0,
      verdict: "deny",
      rule: 11,
    }),
    rule({ class: 1, cidrClass: 0, protocol: 6, port: 8000, portLength: 10, rule: 10 }),
  ],
};

function rule(entry: Partial<KernelSlot["rules"][number]>): KernelSlot["rules"][number] {
  return {
    class: 0,
    cidrClass: 0,
    protocol: 6,
    port: 80,
    portLength: 16,
    verdict: "allow",
    response: "drop",
    rule: 1,
    proxyPort: 0,
    ...entry,
  };
}

const context = {
  direction: "ingress",
  slots: new Map([[7, slot]]),
  prefixes: new Map([[4, ["203.0.113.0/24"]]]),
} as const;

function text(number: number): string[] {
  return entryRows(number, context).map(({ peers, protocol, ports, verdict, rule: name }) => {
    const who = peers.identities?.join(",") ?? "others";
    const where = peers.prefixes ? ` at ${peers.prefixes.join(",")}` : "";
    return `${who}${where}: ${ports}/${protocol} ${verdict} by ${name}`;
  });
}

test("entries say whose traffic they are about, those of everybody else after the others, the default last", () => {
  assert.deepEqual(text(7), [
    "300,301: 8000-8063/TCP allow by 10",
    "302: any/any deny by 11",
    "others at 203.0.113.0/24: 53/UDP allow by 12",
    "others: any/any default-deny by 3",
  ]);
});

test("a redirect names its listener", () => {
  const rules = [rule({ verdict: "redirect", proxyPort: 11_008 }), rule({ class: 1 })];
  const slots = new Map([[7, { ...slot, rules }]]);
  assert.deepEqual(
    entryRows(7, { ...context, slots }).map(({ verdict, proxyPort }) => [verdict, proxyPort]),
    [
      ["allow", undefined],
      ["redirect", 11_008],
      ["default-deny", undefined],
    ],
  );
});

test("a pod without policy is let through, one whose policy is not known is not", () => {
  assert.deepEqual(text(1), ["others: any/any allow by 0"]);
  assert.deepEqual(text(0), ["others: any/any not known yet: dropped by 0"]);
  assert.deepEqual(text(9), ["others: any/any not there: dropped by 0"]);
});
