import assert from "node:assert/strict";
import { test } from "node:test";
import type { AddressRow } from "@tsilium/ipcache";
import { Prefix } from "@tsilium/net";
import { contentsOfSets, remainsOf } from "./remains.ts";

const row = (text: string, cidrSet: number): AddressRow => ({
  prefix: Prefix.parse(text),
  identity: 2,
  tunnelEndpoint: undefined,
  owner: 1,
  cidrSet,
});

test("the prefixes of an earlier agent's policies are found by where sets change", () => {
  const contents = contentsOfSets([
    row("0.0.0.0/0", 0),
    row("10.0.0.0/8", 5),
    row("10.1.0.0/16", 7),
    row("10.1.2.3/32", 7),
    row("10.2.0.1/32", 5),
    row("192.0.2.1/32", 0),
    row("::/0", 0),
    row("fd00::/8", 9),
  ]);
  const shown = [...contents].map(([set, prefixes]) => `${set}: ${prefixes.join(" ")}`);
  assert.deepEqual(shown.toSorted(), [
    "0: ",
    "5: 10.0.0.0/8",
    "7: 10.0.0.0/8 10.1.0.0/16",
    "9: fd00::/8",
  ]);
});

test("numbers from before are kept clear of, and old slots still tell new sets apart", () => {
  const remains = remainsOf({
    subjects: [{ subject: 3, ingress: 40, egress: 1 }],
    slots: [
      {
        slot: 40,
        otherwise: { verdict: "deny", rule: 17 },
        usesCidr: true,
        knownPeersOnly: false,
        proxyPorts: new Set([10_000]),
        // Set 8 is of rows that an agent died before writing.
        cidrClasses: [
          { cidrSet: 5, class: 2 },
          { cidrSet: 8, class: 3 },
        ],
      },
    ],
    largestRule: 17,
    identities: [300],
    addresses: [row("0.0.0.0/0", 0), row("10.0.0.0/8", 5)],
  });
  assert.deepEqual([remains.firstRule, remains.firstSet], [18, 9]);
  assert.deepEqual([...remains.prefixes.keys()], ["10.0.0.0/8"]);
  const [slot] = remains.slots;
  assert.equal(slot?.number, 40);
  assert.deepEqual([...(slot?.proxyPorts ?? [])], [10_000]);
  assert.equal(slot?.view?.classOf([Prefix.parse("10.0.0.0/8"), Prefix.parse("10.9.0.0/16")]), 2);
});
