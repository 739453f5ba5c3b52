// Requests against what policies say of them: parsed, united and decided as proxies do it, and by the naive twin that
// reads the objects as they were applied.
import assert from "node:assert/strict";
import { test } from "node:test";
import { repeat, type Random } from "@tsilium/testkit";
import { unite, type EnforcedRules } from "../compile/unite.ts";
import type { RuleSet } from "../model.ts";
import { parsePolicy } from "../parse/parse.ts";
import type { CiliumPortRule } from "../testing/naive/index.ts";
import type { L7Kind, NaiveRuleSet } from "../testing/naive/l7.ts";
import { type NaiveRequest, outcomeOf, targetOf } from "../testing/naive/requests.ts";
import { decideHttp } from "./http.ts";
import { decideL7 } from "./decide.ts";
import type { L7Request } from "./request.ts";

const base = { direction: "egress", audit: false, denyRule: 99 } as const;
const some = <T>(random: Random, most: number, make: () => T): T[] =>
  Array.from({ length: random.below(most + 1) }, make);
const maybe = <T>(random: Random, make: () => T): T | undefined =>
  random.chance(0.4) ? make() : undefined;
const compact = (fields: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));

const paths = [
  "/",
  "/a",
  "/public/.*",
  "/a/[^/]*",
  "/(a|b)(/.*)?",
  ".*secret",
  "/[a-z]+\\?x=.*",
  "/%3A.*",
  "\\*",
];
const names = ["a.example", "*.example", "**.example", "*", "b*.a.example"];

function randomItem(random: Random, kind: L7Kind): object {
  if (kind === "dns")
    return random.chance(0.5) ? { matchName: "A.example." } : { matchPattern: random.pick(names) };
  if (kind === "kafka") {
    const what = random.pick([
      {},
      { role: "produce" },
      { role: "consume" },
      { apiKey: "fetch" },
      { apiKey: "joingroup" },
    ]);
    const rest = {
      topic: maybe(random, () => random.pick(["x", "y"])),
      apiVersion: maybe(random, () => random.pick(["1", "2"])),
      clientID: maybe(random, () => "me"),
    };
    return { ...what, ...compact(rest) };
  }
  return compact({
    path: maybe(random, () => random.pick(paths)),
    method: maybe(random, () => random.pick(["GET", "GET|PUT", "P.*"])),
    host: maybe(random, () => random.pick(["a\\.example", "[a-z]+", ".*:81"])),
    headers: maybe(random, () => [random.pick(["X-A", "X-A: 1", "x-a 1 2"])]),
    headerMatches: maybe(random, () => [
      compact({
        name: random.pick(["x-a", "X-B"]),
        value: random.chance(0.7) ? "1" : undefined,
        mismatch: maybe(random, () => "LOG"),
      }),
    ]),
  });
}

function randomEntry(random: Random, kind: L7Kind): CiliumPortRule {
  const ports = [kind === "dns" ? { port: "53" } : { port: "80", protocol: "TCP" }];
  const serverNames = some(random, 2, () => random.pick(names));
  if (kind === "sni") return { ports, serverNames };
  const rules = { [kind]: some(random, 3, () => randomItem(random, kind)) };
  if (kind !== "http" || random.chance(0.6)) return { ports, rules };
  const terminatingTLS = { secret: { name: "s" } };
  const named = random.chance(0.5) ? { serverNames } : {};
  return { ports, terminatingTLS, ...named, ...(random.chance(0.8) ? { rules } : {}) };
}

const pieces = [
  ..."/ab.:;%?x=\\",
  "/a",
  "/public/",
  "secret",
  "/../",
  "//",
  "%2e",
  "%2F",
  "%3a",
  "%25",
  "%61",
  "*",
  "#",
  "%c0",
  "%e0%80",
];

function randomRequest(random: Random, kind: L7Kind): NaiveRequest {
  switch (kind) {
    case "http":
      return {
        kind,
        method: random.pick(["GET", "PUT", "get", "OPTIONS", "CONNECT"]),
        target:
          random.pick(["/", "/", "/", "", "*", "http://a.example", "http://A.example:80/"]) +
          some(random, 5, () => random.pick(pieces)).join(""),
        host: random.pick([
          undefined,
          "a.example",
          "A.EXAMPLE:80",
          "b",
          "b:81",
          "b:",
          "u@b",
          "[::1]",
          "[fd00::]:80",
        ]),
        headers: some(
          random,
          3,
          () =>
            [random.pick(["x-a", "X-A", "x-b"]), random.pick(["1", " 1 ", "1 2", "2"])] as const,
        ),
        port: 80,
        serverName: random.pick([undefined, "a.example", "b.a.example", "other"]),
      };
    case "dns":
      return {
        kind,
        name: random.pick([
          "a.example",
          "A.EXAMPLE.",
          "b.a.example",
          "example",
          "c.b.a.example",
          "other",
          ".",
        ]),
      };
    case "sni":
      return {
        kind,
        serverName: random.pick([undefined, "a.example", "bc.a.example", "example", "d.c.example"]),
      };
    case "kafka":
      return {
        kind,
        apiKey: random.pick([0, 1, 3, 11, 18, 33]),
        apiVersion: random.below(3),
        clientId: random.pick([undefined, "me", "you"]),
        topics: random.pick([undefined, "all", [], ["x"], ["y"], ["x", "y"], ["x", "z"]] as const),
      };
  }
}

function asRequest(request: NaiveRequest): L7Request {
  switch (request.kind) {
    case "http": {
      const { kind: _, host, serverName, ...rest } = request;
      const optional = {
        ...(host === undefined ? {} : { host }),
        ...(serverName === undefined ? {} : { serverName }),
      };
      return { kind: "http", request: { ...rest, ...optional } };
    }
    case "dns":
      return { kind: "dns", request };
    case "sni":
      return { kind: "sni", request };
    case "kafka":
      return { kind: "kafka", request };
  }
}

/** Entries in rules of one policy, each a rule with its number. */
function ruleSetOf(entries: readonly CiliumPortRule[], openedBy: number | undefined): RuleSet {
  const object = {
    apiVersion: "cilium.io/v2",
    kind: "CiliumNetworkPolicy",
    metadata: { name: "p", namespace: "shop" },
    spec: { endpointSelector: {}, egress: entries.map((entry) => ({ toPorts: [entry] })) },
  };
  const result = parsePolicy(object, { clusterName: "default" });
  assert.ok(result.ok, JSON.stringify(result));
  const members = (result.policy.specs[0]?.rules ?? []).map(({ l7 }, index) => {
    assert.ok(l7, JSON.stringify(object));
    return { number: index + 1, l7: l7 as EnforcedRules };
  });
  return unite(members, { ...base, openedBy });
}

test("requests get through that the naive twin lets through, by one of its rules, and no others", () => {
  const counted = { refused: 0, denied: 0, allowed: 0 };
  repeat({ runs: 3000 }, (random) => {
    const kind = random.pick(["http", "http", "http", "dns", "kafka", "sni"] as const);
    const entries = Array.from({ length: 1 + random.below(3) }, () => randomEntry(random, kind));
    const isOpened = random.chance(0.1);
    const ruleSet = ruleSetOf(entries, isOpened ? 50 : undefined);
    const set: NaiveRuleSet = {
      kind,
      audit: false,
      rules: entries.map((entry, index) => ({
        kind,
        entry,
        namespace: "shop",
        rule: String(index + 1),
      })),
      openedBy: isOpened ? "50" : undefined,
    };
    for (let count = 0; count < 10; count++) {
      const request = randomRequest(random, kind);
      const expected = outcomeOf(set, request);
      const asked = asRequest(request);
      const decision = decideL7(ruleSet, asked);
      if (request.kind === "http" && asked.kind === "http" && ruleSet.kind === "http") {
        const { target, status } = decideHttp(ruleSet, asked.request);
        if (status !== 400) assert.equal(target, targetOf(request), request.target);
      }
      const about = JSON.stringify({ entries, isOpened, request, decision, expected });
      if (expected === "refused") {
        counted.refused++;
        assert.ok(ruleSet.kind === "http" && asked.kind === "http");
        assert.equal(decideHttp(ruleSet, asked.request).status, 400, about);
      } else if (expected.length === 0) {
        counted.denied++;
        assert.deepEqual(decision, { ...decision, allowed: false, rule: 99 }, about);
      } else {
        counted.allowed++;
        assert.ok(decision.allowed && expected.includes(String(decision.rule)), about);
      }
    }
  });
  assert.ok(Math.min(...Object.values(counted)) > 2000, JSON.stringify(counted));
});
