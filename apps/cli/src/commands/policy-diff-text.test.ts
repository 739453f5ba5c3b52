import assert from "node:assert/strict";
import { test } from "node:test";
import type { EndView } from "@tsilium/policy-test";
import { diffReport } from "./policy-diff-text.ts";

function pods(identity: number, ...names: string[]): EndView {
  return { identity, labels: [], pods: names, prefixes: [] };
}
function world(...prefixes: string[]): EndView {
  return { identity: 9, labels: ["reserved:world-ipv4"], pods: [], prefixes };
}
const isolate = {
  kind: "NetworkPolicy",
  namespace: "shop",
  name: "isolate",
  path: "spec",
} as const;

test("a diff names both ends, pods first, and by what verdicts change", () => {
  const ports = [
    { ports: "80/tcp", before: "allowed", after: "denied", by: [isolate] },
    { ports: "all but tcp", before: "denied", after: "allowed", by: [] },
  ] as const;
  const apiServer = {
    identity: 16_777_300,
    labels: ["reserved:kube-apiserver", "reserved:world"],
    pods: [],
    prefixes: [],
  };
  const gone = {
    identity: 400,
    labels: ["k8s:io.kubernetes.pod.namespace=old", "k8s:app=x"],
    pods: [],
    prefixes: [],
  };
  assert.deepEqual(
    diffReport([
      {
        from: [world("0.0.0.0/0"), apiServer, gone, pods(300, "shop/b", "shop/a")],
        to: [pods(301, "shop/c")],
        ports,
      },
      { from: [pods(301, "shop/c")], to: [world("203.0.113.0/24")], ports: ports.slice(0, 1) },
    ]),
    [
      "shop/a, shop/b, identity 400 (old app=x), kube-apiserver, world-ipv4 -> shop/c",
      "    80/tcp       allowed -> denied  (NetworkPolicy shop/isolate spec)",
      "    all but tcp  denied -> allowed  (no policy denies it)",
      "",
      "shop/c -> 203.0.113.0/24",
      "    80/tcp  allowed -> denied  (NetworkPolicy shop/isolate spec)",
    ],
  );
});

test("addresses of names are their names, and the world's addresses are not nothing when nobody has them now", () => {
  const ports = [{ ports: "80/tcp", before: "denied", after: "allowed", by: [] }] as const;
  const named = {
    ...world(),
    identity: 16_777_400,
    labels: ["fqdn:*.shop.example", "fqdn:api.shop.example", "reserved:world-ipv4"],
  };
  const [first] = diffReport([{ from: [pods(300, "shop/a")], to: [named, world()], ports }]);
  assert.equal(first, "shop/a -> *.shop.example, api.shop.example, world-ipv4");
});

test("no change is said to be none, and long lists are cut", () => {
  assert.deepEqual(diffReport([]), ["no verdict changes"]);
  const many = Array.from({ length: 12 }, (_, at) => pods(300 + at, `shop/pod-${at + 10}`));
  const [line] = diffReport([
    {
      from: many,
      to: [world("::/0")],
      ports: [{ ports: "any", before: "denied", after: "audit", by: [isolate] }],
    },
  ]);
  assert.match(line ?? "", /shop\/pod-17 and 4 more -> world-ipv4$/);
});
