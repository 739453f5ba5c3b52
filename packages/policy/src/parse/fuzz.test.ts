// Policies with something broken in them: reading them never throws, and what is not understood never allows more.
import assert from "node:assert/strict";
import { test } from "node:test";
import { repeat, type Random } from "@tsilium/testkit";
import type { Policy, Rule } from "../model.ts";
import { parseCidrGroup, parsePolicy } from "./parse.ts";
import { ccnp, clusterPolicy, cnp, np } from "./testing/show.ts";

const options = { clusterName: "default", nodeSelectorLabels: true };

const valid: readonly object[] = [
  np(`{ podSelector: { matchLabels: { app: web } }, policyTypes: [Ingress, Egress],
        ingress: [{ from: [{ podSelector: { matchLabels: { app: a } } }, { namespaceSelector: { matchExpressions: [{ key: team, operator: In, values: [a, b] }] }, podSelector: {} }],
                    ports: [{ port: 80 }, { port: 90, endPort: 99, protocol: UDP }, { port: http }] }],
        egress: [{ to: [{ ipBlock: { cidr: 10.0.0.0/8, except: [10.1.0.0/16] } }], ports: [{ protocol: SCTP }] }] }`),
  cnp(`{ endpointSelector: { matchLabels: { app: web }, matchExpressions: [{ key: "k8s:tier", operator: NotIn, values: [x] }] },
         enableDefaultDeny: { ingress: true, egress: false }, labels: ["k8s:a=b", { key: a }], description: d, log: { value: v },
         ingress: [{ fromEndpoints: [{ matchLabels: { app: a } }], toPorts: [{ ports: [{ port: "80", endPort: 90, protocol: TCP }], rules: { http: [{ method: GET, path: /a, host: b, headers: ["x: y"], headerMatches: [{ name: n, value: v, secret: { name: s }, mismatch: ADD }] }] },
           terminatingTLS: { secret: { name: s }, certificate: c }, originatingTLS: { secret: { namespace: n, name: s }, trustedCA: t }, serverNames: [a.b] }, { ports: [{ port: "81" }] },
           { ports: [{ port: "82", protocol: TCP }], rules: { kafka: [{ role: produce, topic: t, clientID: c, apiVersion: "1" }, { apiKey: fetch }] } }, { ports: [{ port: "83", protocol: TCP }], serverNames: ["*.a"] }] }],
         ingressDeny: [{ fromCIDRSet: [{ cidr: 10.0.0.0/8, except: [10.1.0.0/16] }, { cidrGroupRef: g }, { cidrGroupSelector: { matchLabels: { s: t } } }], icmps: [{ fields: [{ type: 8 }, { family: IPv6, type: EchoReply }] }] }],
         egress: [{ toFQDNs: [{ matchName: a.b }, { matchPattern: "*.b" }], toPorts: [{ ports: [{ port: "53" }], rules: { dns: [{ matchPattern: "*" }] } }] },
                  { toServices: [{ k8sService: { serviceName: s, namespace: n } }, { k8sServiceSelector: { selector: { matchLabels: { a: b } } } }], authentication: { mode: required } }],
         egressDeny: [{ toEntities: [world, host], toPorts: [{ ports: [{ port: http, protocol: UDP }] }] }] }`),
  ccnp(
    `{ nodeSelector: { matchLabels: { zone: a } }, ingress: [{ fromNodes: [{ matchLabels: { zone: b } }] }, { fromCIDR: [10.0.0.1, "fd00::/8"] }] }`,
  ),
  clusterPolicy(`{ tier: Admin, priority: 5, subject: { pods: { namespaceSelector: {}, podSelector: { matchLabels: { a: b } } } },
         ingress: [{ name: n, action: Accept, from: [{ namespaces: { matchLabels: { a: b } } }], protocols: [{ tcp: { destinationPort: { number: 80 } } }, { destinationNamedPort: http }] }],
         egress: [{ action: Deny, to: [{ networks: [10.0.0.0/8] }, { nodes: {} }, { pods: { podSelector: {} } }], protocols: [{ udp: { destinationPort: { range: { start: 1, end: 9 } } } }] }] }`),
].map((object) => ({
  ...object,
  metadata: {
    name: "p",
    ...("metadata" in object ? (object.metadata as object) : {}),
    uid: "u",
    generation: 1,
    annotations: {
      "policy.tsilium.io/enforcement": "audit",
      "policy.tsilium.io/deny-response": "icmp",
      x: "y",
    },
  },
}));

test("what the broken ones are made of is right", () => {
  for (const object of valid) {
    const result = parsePolicy(object, options);
    assert.ok(result.ok, JSON.stringify(result));
  }
});

test("a policy with something broken in it is refused with a reason, or allows no more than it says", () => {
  repeat({ runs: 4000 }, (random) => {
    const object = mutated(random, random.pick(valid), 1 + random.below(3));
    const result = parsePolicy(object, options);
    if (result.ok) judge(result.policy, object);
    else assertTold(result.problems);
  });
});

test("anything at all can be handed in", () => {
  repeat({ runs: 1000 }, (random) => {
    const object = junk(random, 4);
    for (const result of [parsePolicy(object, options), parseCidrGroup(object)])
      if (!result.ok) assertTold(result.problems);
  });
});

test("CVE-2023-41332 annotations can be anything", () => {
  repeat({ runs: 500 }, (random) => {
    const annotations = random.chance(0.3)
      ? junk(random, 2)
      : Object.fromEntries(
          ["enforcement", "deny-response", "x"].map((key) => [
            `policy.tsilium.io/${key}`,
            random.pick([junk(random, 2), "audit", "rst"]),
          ]),
        );
    const metadata = { name: "p", namespace: "shop", annotations };
    const result = parsePolicy({ ...valid[1], metadata }, options);
    if (!result.ok) assertTold(result.problems);
  });
});

test("texts made to keep an expression busy are refused", () => {
  const evil = [
    "a".repeat(200_000),
    `${"a-".repeat(100_000)}!`,
    `${"a.".repeat(100_000)}!`,
    "-".repeat(100_000),
  ];
  // An expression that tries every way would not come to an end.
  for (const value of evil) {
    const key = JSON.stringify(value);
    const l7 = [
      `rules: { http: [{ path: ${key} }, { method: ${key} }, { host: ${key}, headers: [${key}], headerMatches: [{ name: ${key}, value: ${key} }] }] }`,
      `rules: { kafka: [{ topic: ${key}, clientID: ${key}, apiKey: ${key}, apiVersion: ${key} }] }`,
      `serverNames: [${key}]`,
    ];
    for (const entry of l7) {
      const rule = `{ toPorts: [{ ports: [{ port: "80", protocol: TCP }], ${entry} }] }`;
      const object = cnp(`{ endpointSelector: {}, egress: [${rule}] }`);
      assert.equal(parsePolicy(object, options).ok, false, entry.slice(0, 20));
    }
    const policy = cnp(`{ endpointSelector: { matchLabels: { ${key}: ${key} } }, egress: [
      { toFQDNs: [{ matchName: ${key} }, { matchPattern: ${key} }] }, { toCIDR: [${key}] }, { toEntities: [${key}] },
      { toEntities: [all], toPorts: [{ ports: [{ port: ${key}, protocol: ${key} }] }] } ] }`);
    assert.equal(parsePolicy({ ...policy, metadata: { name: value } }, options).ok, false);
  }
});

test("expressions made to keep an engine, or whoever judges them, busy are refused at once", () => {
  const evil = [
    `${"(".repeat(1000)}a${")".repeat(1000)}`,
    `${"(a?".repeat(300)}${")*".repeat(300)}`,
    "(a|b|ab)*(a|b|ab)*(a|b|ab)*",
    `${"(a|b)?".repeat(150)}c`,
    `(${"(x+x+)+".repeat(100)})y`,
    `${".*a".repeat(600)}`,
    `${"(.*a|.*b)".repeat(200)}`,
    `(${"a{0,1000}".repeat(200)})`,
    `${"[a-z]{0,99}".repeat(180)}`,
    `(${Array.from({ length: 400 }, (_, at) => `a${at}`).join("|")})*.*b.*`,
    `${"(".repeat(80)}a${"{9})".repeat(80)}`,
    ".{0,30}a.{0,30}b.{0,30}c",
  ];
  for (const path of evil) {
    const rule = {
      toPorts: [{ ports: [{ port: "80", protocol: "TCP" }], rules: { http: [{ path }] } }],
    };
    const object = { ...cnp("{}"), spec: { endpointSelector: {}, egress: [rule] } };
    const start = performance.now();
    parsePolicy(object, options);
    const took = performance.now() - start;
    assert.ok(took < 2000, `${path.slice(0, 30)} took ${took} ms`);
  }
});

/** A rule without restriction of peers or ports comes only from an object that has none there. */
function judge(policy: Policy, object: unknown): void {
  for (const spec of policy.specs) {
    if (policy.ref.namespace !== "")
      assert.deepEqual(spec.subject.selector.at(-1)?.values, [policy.ref.namespace]);
    for (const rule of spec.rules) judgeRule(rule, policy, object);
  }
}

function judgeRule(rule: Rule, { ref }: Policy, object: unknown): void {
  if (ref.kind === "ClusterNetworkPolicy") {
    // Failing closed: everything may be denied, nothing allowed.
    if (rule.peers === undefined) assert.equal(rule.verdict, "deny", JSON.stringify(object));
    return;
  }
  const raw = at(object, rule.path.replace(/\.toPorts\[\d+\]$/, "")) as Record<string, unknown>;
  const isFree = (name: string) =>
    raw[name] === undefined ||
    (ref.kind === "NetworkPolicy" && (raw[name] === null || (raw[name] as unknown[]).length === 0));
  const peers = Object.keys(raw).filter(
    (name) => /^(from|to)/.test(name) && !/^toPorts$|Requires$/.test(name),
  );
  if (rule.peers === undefined) assert.ok(peers.every(isFree), JSON.stringify(object));
  const ports = ["toPorts", "icmps", "ports"];
  if (rule.ports === undefined) assert.ok(ports.every(isFree), JSON.stringify(object));
}

function assertTold(
  problems: readonly { readonly path: string; readonly message: string }[],
): void {
  assert.ok(problems.length > 0);
  for (const { path, message } of problems) {
    assert.equal(typeof path, "string");
    assert.notEqual(message, "");
  }
}

/** What stands at "spec.ingress[0]". */
function at(object: unknown, path: string): unknown {
  const steps = path.match(/[^.[\]]+/g) ?? [];
  return steps.reduce<unknown>((value, step) => (value as Record<string, unknown>)[step], object);
}

/** A copy with some of its places changed. */
function mutated(random: Random, object: object, count: number): unknown {
  const copy: unknown = structuredClone(object);
  for (let index = 0; index < count; index++) {
    const places = containers(copy).filter((place) => Object.keys(place).length > 0);
    // apiVersion, kind and name stay: else most results would be "no policy at all".
    const inside = places.filter((place) => place !== copy && !("name" in place && "uid" in place));
    if (inside.length === 0) return copy;
    mutate(random, random.pick(inside));
  }
  return copy;
}

type Container = Record<string, unknown>;

/** Every object and list within. */
function containers(value: unknown): Container[] {
  if (typeof value !== "object" || value === null) return [];
  return [value as Container, ...Object.values(value).flatMap(containers)];
}

function mutate(random: Random, place: Container): void {
  const key = random.pick(Object.keys(place));
  const isList = Array.isArray(place);
  switch (random.below(5)) {
    case 0:
      if (isList) place.splice(0, place.length);
      else delete place[key];
      return;
    case 1:
      if (isList) place.push(junk(random, 2));
      else
        place[random.pick(["fromX", "from", "toPorts", "ports", "icmps", "__proto__", ""])] = junk(
          random,
          2,
        );
      return;
    case 2:
      place[key] = random.pick([null, [], {}, ""]);
      return;
    case 3:
      place[key] = place[random.pick(Object.keys(place))];
      return;
    default:
      place[key] = junk(random, 2);
  }
}

/** Any JSON. */
function junk(random: Random, depth: number): unknown {
  switch (random.below(depth > 0 ? 8 : 6)) {
    case 0:
      return null;
    case 1:
      return random.chance(0.5);
    case 2:
      return random.pick([0, -1, 1.5, 80, 2 ** 53, 65_536]);
    case 3:
      return random.pick([
        "",
        "a",
        "80",
        "10.0.0.0/8",
        "all",
        "In",
        "Exists",
        "__proto__",
        "reserved:init",
      ]);
    case 4:
      return [];
    case 5:
      return {};
    case 6:
      return Array.from({ length: random.below(4) }, () => junk(random, depth - 1));
    default:
      return Object.fromEntries(
        Array.from({ length: random.below(4) }, () => [
          random.pick([
            "kind",
            "spec",
            "matchLabels",
            "key",
            "operator",
            "values",
            "port",
            "cidr",
            "__proto__",
          ]),
          junk(random, depth - 1),
        ]),
      );
  }
}
