import assert from "node:assert/strict";
import { test } from "node:test";
import { parsePolicy } from "@tsilium/policy";
import type { Policy } from "@tsilium/policy/model.ts";
import { load } from "js-yaml";
import { peopleOf } from "../compiler/people.ts";
import { Engine, type EngineChange } from "../engine/engine.ts";
import { engineSettings } from "../engine/settings.ts";
import { namespace, pod } from "../manifests/pods.ts";
import { diffEngines } from "./diff.ts";
import { changeViews, type ChangeView, type EndView } from "./view.ts";

const settings = engineSettings({});
const pods = ["shop/frontend", "shop/backend", "shop/other", "monitoring/scraper"];
const people = peopleOf({
  pods: pods.map((name) => pod(name, { labels: { app: name.split("/")[1] ?? "" } })),
  namespaces: [namespace("shop"), namespace("monitoring")],
  nodes: ["node-1", "node-2"],
  settings,
});

function policy(text: string): Policy {
  const result = parsePolicy(load(text), settings);
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.policy;
}

function diff(before: readonly Policy[], change: EngineChange): string[] {
  const input = { ...people, policies: before, cidrGroups: [], services: [] };
  const engines = { before: new Engine(input, settings), after: new Engine(input, settings) };
  engines.after.change(change);
  const subjects = new Map(people.subjects.map(({ id, identity }) => [identity, id]));
  const changes = diffEngines(engines, (identity) => subjects.get(identity));
  const names = {
    labelsOf: (identity: number) => people.labelsOf(identity).toArray(),
    podsOf: (identity: number) =>
      [...people.pods].filter(([, person]) => person.identity === identity).map(([name]) => name),
  };
  return changeViews(changes, engines, names).flatMap(lines).toSorted();
}

function lines({ from, to, ports }: ChangeView): string[] {
  const ends = (views: readonly EndView[]) => views.map(endName).toSorted().join(",");
  return ports.map(({ ports: span, before, after, by, requests }) => {
    const deciders = by.map(({ name, path }) => ` ${name} ${path}`).join(",");
    const text = (lines: readonly string[] | undefined) => lines?.join("; ") ?? "all";
    const asked = requests ? ` (${text(requests.before)} -> ${text(requests.after)})` : "";
    return `${ends(from)} -> ${ends(to)} ${span}: ${before} -> ${after}${deciders}${asked}`;
  });
}

function endName({ pods: names, labels, prefixes }: EndView): string {
  return (
    names[0] ?? `${labels.join("+")}@${prefixes.filter((text) => !text.includes(":")).join("+")}`
  );
}

const isolate = policy(`
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: isolate, namespace: shop }
spec:
  podSelector: { matchLabels: { app: backend } }
  ingress: [{ from: [{ podSelector: { matchLabels: { app: frontend } } }], ports: [{ port: 80 }] }]
`);

test("a new policy's isolation and its exceptions are told, ports as spans, alike peers together", () => {
  const changes = diff([], { policies: [isolate] });
  const frontend = "shop/frontend -> shop/backend";
  assert.deepEqual(
    changes.filter((line) => line.startsWith("shop/frontend")),
    [
      `${frontend} 0-79/tcp: allowed -> denied isolate spec`,
      `${frontend} 81-65535/tcp: allowed -> denied isolate spec`,
      `${frontend} all but tcp: allowed -> denied isolate spec`,
    ],
  );
  assert.ok(changes.every((line) => line.includes("-> shop/backend")));
  const everything = changes.filter((line) => line.includes(" any: "));
  assert.equal(everything.length, 1);
  for (const end of ["monitoring/scraper", "shop/other", "reserved:world-ipv4@0.0.0.0/0"])
    assert.ok(everything[0]?.includes(end), end);
  assert.ok(!everything[0]?.includes("reserved:host"), "the node itself stays allowed");
});

test("what another policy denies anyhow is no change", () => {
  const denyAll = policy(`
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: frontend-out, namespace: shop }
spec:
  endpointSelector: { matchLabels: { app: frontend } }
  egressDeny: [{ toEntities: [all] }]
`);
  const changes = diff([denyAll, isolate], { removedPolicies: [isolate.ref] });
  assert.deepEqual(
    changes.filter((line) => line.startsWith("shop/frontend")),
    [],
  );
  assert.match(changes.join("\n"), /shop\/other.* -> shop\/backend any: denied -> allowed/);
});

test("a changed policy is compared with itself as it was", () => {
  const wider = policy(`
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: isolate, namespace: shop }
spec:
  podSelector: { matchLabels: { app: backend } }
  ingress:
    - from: [{ podSelector: { matchLabels: { app: frontend } } }]
      ports: [{ port: 80, endPort: 89 }, { port: 53, protocol: UDP }]
`);
  assert.deepEqual(diff([isolate], { policies: [wider] }), [
    "shop/frontend -> shop/backend 53/udp: denied -> allowed isolate spec.ingress[0]",
    "shop/frontend -> shop/backend 81-89/tcp: denied -> allowed isolate spec.ingress[0]",
  ]);
  assert.deepEqual(diff([isolate], { policies: [isolate] }), []);
});

test("addresses that a policy comes to tell apart are told apart", () => {
  const partner = policy(`
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: no-partner, namespace: shop }
spec:
  endpointSelector: { matchLabels: { app: backend } }
  enableDefaultDeny: { egress: false }
  egressDeny: [{ toCIDR: [198.51.100.0/24] }]
`);
  assert.deepEqual(diff([], { policies: [partner] }), [
    "shop/backend -> reserved:world-ipv4@198.51.100.0/24 any: allowed -> denied no-partner spec.egressDeny[0]",
  ]);
});

test("what a proxy lets through is compared too", () => {
  const api = (path: string, order = "") =>
    policy(`
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: api, namespace: shop }
spec:
  endpointSelector: { matchLabels: { app: backend } }
  ingress:
    - fromEndpoints: [{ matchLabels: { app: frontend } }]
      toPorts: [{ ports: [{ port: "80", protocol: TCP }], rules: { http: [${order}{ path: ${path} }] } }]
`);
  const by = "api spec.ingress[0].toPorts[0]";
  const change = "shop/frontend -> shop/backend 80/tcp: allowed -> allowed";
  assert.deepEqual(diff([api("/a")], { policies: [api("/b")] }), [
    `${change} ${by} (ingress http /a -> ingress http /b)`,
  ]);
  assert.deepEqual(
    diff([api("/a", "{ method: PUT }, ")], { policies: [api("/a", "{ method: PUT }, ")] }),
    [],
  );
  assert.deepEqual(
    diff([api("/a")], { policies: [isolate], removedPolicies: [api("/a").ref] }).filter((line) =>
      line.includes("80/tcp"),
    ),
    [`${change} isolate spec.ingress[0] (ingress http /a -> all)`],
  );
});
