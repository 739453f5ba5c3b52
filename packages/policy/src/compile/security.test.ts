// Past bypasses of systems of this kind (the table in docs/security.md), where a compiler can be at fault. Each test is
// named after its row.
import assert from "node:assert/strict";
import { test } from "node:test";
import { repeat } from "@tsilium/testkit";
import { Labels } from "@tsilium/net";
import type { CidrGroup, Peer, PolicyService } from "../model.ts";
import {
  allow,
  cidr,
  deny,
  identity,
  pods,
  policy,
  ports,
  selector,
  subject,
} from "./testing/build.ts";
import { addresses, someLabels, somePolicy } from "./testing/generate.ts";
import { http } from "./testing/l7.ts";
import { peerIds, Scene } from "./testing/scene.ts";

const inside = "10.0.0.7";
const wideDeny = (isolates: boolean) =>
  policy("deny", [deny({ peers: [cidr("10.0.0.0/24")] })], { isolates });

const narrowAllows: readonly (readonly [string, Peer[] | undefined])[] = [
  ["a narrower CIDR", [cidr("10.0.0.7/32")]],
  ["the same CIDR", [cidr("10.0.0.0/24")]],
  ["a wider CIDR", [cidr("10.0.0.0/8")]],
  ["a narrower ipBlock", [cidr("10.0.0.7/32", { scope: "any" })]],
  ["the world", [pods("reserved:world")]],
  ["everybody", undefined],
];

for (const [who, peers] of narrowAllows)
  for (const allowIsolates of [true, false])
    for (const denyIsolates of [true, false])
      test(`CVE-2024-47825: a CIDR deny wins over an allow of ${who}, enableDefaultDeny ${allowIsolates} and ${denyIsolates}`, () => {
        for (const matches of [undefined, ports("80")]) {
          const scene = new Scene({
            policies: [
              wideDeny(denyIsolates),
              policy("allow", [allow({ peers, ports: matches })], { isolates: allowIsolates }),
            ],
            addresses: [inside],
          });
          assert.equal(scene.ask({ peer: "world", address: inside }), "deny by deny[0]");
        }
      });

test("PR#26245: a deny wins over any allow that overlaps it, whatever the two name", () => {
  const peers: readonly (Peer[] | undefined)[] = [
    ...narrowAllows.map(([, some]) => some),
    [cidr("10.0.0.0/28"), pods("app=web")],
    [cidr("0.0.0.0/0", { except: ["10.0.1.0/24"] })],
  ];
  const portLists = [undefined, ports("80"), ports("*"), ports("0-100"), ports("80-81")];
  repeat({ runs: 100 }, (random) => {
    const rule = () => ({ peers: random.pick(peers), ports: random.pick(portLists) });
    const denied = policy("deny", [deny(rule())], { isolates: random.chance(0.5) });
    const alone = new Scene({ policies: [denied], addresses: [inside] });
    const both = new Scene({
      policies: [denied, policy("allow", [allow(rule()), allow(rule())])],
      addresses: [inside],
    });
    for (const port of ["79", "80", "81"]) {
      const question = { peer: "world", port, address: inside } as const;
      if (alone.ask(question) === "deny by deny[0]")
        assert.equal(both.ask(question), "deny by deny[0]");
    }
  });
});

test("CVE-2025-30163: a pod that has the labels of a node is none", () => {
  const toNodes: Peer = {
    kind: "labels",
    selector: selector("node:role=gateway", "reserved:remote-node"),
  };
  const scene = new Scene({
    policies: [policy("p", [allow({ direction: "egress", peers: [toNodes] })])],
    peers: [
      identity(0x02000001, ["reserved:remote-node", "node:role=gateway"]),
      identity(400, ["k8s:role=gateway", "k8s:remote-node="]),
    ],
  });
  assert.equal(scene.ask({ peer: 0x02000001, direction: "egress" }), "allow by p[0]");
  assert.equal(scene.ask({ peer: 400, direction: "egress" }), "deny by default of p");
});

test("GHSA-pfhr-pccp-hwmh: a label of one source does not match a selector of another", () => {
  const scene = new Scene({
    policies: [
      policy("p", [allow({ peers: [pods("k8s:team=x")] }), allow({ peers: [pods("any:any=y")] })]),
    ],
    peers: [
      identity(400, ["k8s:team=x"]),
      identity(401, ["container:team=x"]),
      identity(402, ["container:any=y"]),
    ],
  });
  assert.equal(scene.ask({ peer: 400 }), "allow by p[0]");
  assert.equal(scene.ask({ peer: 401 }), "deny by default of p");
  assert.equal(scene.ask({ peer: 402 }), "allow by p[1]");
});

const emptyPeers: readonly (readonly [string, Peer[]])[] = [
  ["an empty list of peers", []],
  [
    "an empty list of values",
    [{ kind: "labels", selector: [{ source: "k8s", key: "app", operator: "In", values: [] }] }],
  ],
  ["a CIDR group that is not there", [{ kind: "cidr-group", name: "none", except: [] }]],
  ["an empty CIDR group", [{ kind: "cidr-group", name: "empty", except: [] }]],
  [
    "a selector of CIDR groups that matches none",
    [{ kind: "cidr-group-selector", selector: selector("a=b"), except: [] }],
  ],
  ["a service that is not there", [{ kind: "service", namespace: "a", name: "none" }]],
  ["a service without backends", [{ kind: "service", namespace: "a", name: "empty" }]],
  [
    "a selector of services that matches none",
    [{ kind: "service-selector", namespace: undefined, selector: selector("a=b") }],
  ],
  ["DNS names", [{ kind: "fqdn", matchName: "example.com" }]],
  ["a CIDR that is all exceptions", [cidr("10.0.0.0/24", { except: ["10.0.0.0/8"] })]],
];
const emptyGroup: CidrGroup = { name: "empty", labels: Labels.empty, prefixes: [] };
const emptyService: PolicyService = {
  namespace: "a",
  name: "empty",
  labels: Labels.empty,
  selector: undefined,
  backends: [],
};

for (const [what, peers] of emptyPeers)
  test(`CVE-2025-64715: ${what} allows nobody and denies nobody`, () => {
    const options = { cidrGroups: [emptyGroup], services: [emptyService], addresses: [inside] };
    const allowed = new Scene({ ...options, policies: [policy("p", [allow({ peers })])] });
    const denied = new Scene({
      ...options,
      policies: [policy("p", [deny({ peers })], { isolates: false })],
    });
    for (const peer of ["web", "world", "host"] as const) {
      assert.equal(allowed.ask({ peer, address: inside }), "deny by default of p");
      assert.match(denied.ask({ peer, address: inside }), /^allow/);
    }
  });

test("CVE-2025-64715: an empty list of ports allows nothing", () => {
  const scene = new Scene({ policies: [policy("p", [allow({ ports: [] })])] });
  for (const port of ["80", "icmp 8", "gre"])
    assert.equal(scene.ask({ peer: "web", port }), "deny by default of p");
});

test("CVE-2026-56743: an ipBlock says nothing of pods of the policy's namespace, whatever the cluster's name", () => {
  const scene = new Scene({
    settings: { clusterName: "elsewhere" },
    policies: [policy("p", [allow({ peers: [cidr("203.0.113.0/24", { scope: "any" })] })])],
    addresses: ["203.0.113.9", "10.0.0.7"],
  });
  assert.equal(scene.ask({ peer: "web", address: "10.0.0.7" }), "deny by default of p");
  assert.equal(scene.ask({ peer: "world", address: "203.0.113.9" }), "allow by p[0]");
});

test("CVE-2024-52529: an L7 rule inside a range of ports is not let loose by the range of another rule", () => {
  const scene = new Scene({
    policies: [
      policy("l7", [allow({ peers: [pods("app=web")], ports: ports("80"), l7: http(["/a"]) })]),
      policy("range", [allow({ peers: [pods("env=prod")], ports: ports("1-65535", "*/udp") })]),
      policy("part", [allow({ peers: [pods("app=web")], ports: ports("80-81", "*") })]),
    ],
  });
  assert.equal(scene.ask({ peer: "web" }), "http by l7[0] /a; deny by l7[0]");
  assert.equal(scene.ask({ peer: "web", port: "81" }), "allow by part[0]");
  assert.equal(scene.ask({ peer: "api" }), "allow by range[0]");
});

test("CVE-2024-52529: an L7 rule on a range is not let loose inside it by an allow of one of its ports", () => {
  const scene = new Scene({
    policies: [
      policy("l7", [allow({ ports: ports("80-90"), l7: http(["/a"]) })]),
      policy("part", [allow({ peers: [pods("app=web")], ports: ports("80") })]),
      policy("same", [allow({ peers: [pods("app=api")], ports: ports("80-90") })]),
    ],
  });
  for (const port of ["80", "85"])
    assert.equal(scene.ask({ peer: "web", port }), "http by l7[0] /a; deny by l7[0]");
  assert.equal(scene.ask({ peer: "api" }), "http by l7[0] /a, same[0] any; deny by l7[0]");
});

test("CVE-2023-30851: what one peer of a rule is allowed by another rule does not leak to the rule's other peers", () => {
  const both = [pods("app=web"), pods("app=api")];
  const scene = new Scene({
    policies: [
      policy("l7", [allow({ peers: both, ports: ports("80"), l7: http(["/a"]) })]),
      policy("all", [allow({ peers: [pods("app=api")], ports: ports("80") })]),
    ],
  });
  assert.equal(scene.ask({ peer: "web" }), "http by l7[0] /a; deny by l7[0]");
  assert.equal(scene.ask({ peer: "api" }), "http by l7[0] /a, all[0] any; deny by l7[0]");
});

test("CVE-2023-30851: every peer's L7 rules are united for that peer alone", () => {
  const scene = new Scene({
    policies: [
      policy("web", [allow({ peers: [pods("app=web")], ports: ports("80"), l7: http(["/web"]) })]),
      policy("prod", [allow({ peers: [pods("env=prod")], ports: ports("80"), l7: http(["/p"]) })]),
      policy("db", [allow({ peers: [pods("app=db")], ports: ports("80") })]),
    ],
  });
  assert.deepEqual(
    (["web", "api", "db", "world"] as const).map((peer) => scene.ask({ peer })),
    [
      "http by prod[0] /p, web[0] /web; deny by prod[0] and web[0]",
      "http by prod[0] /p; deny by prod[0]",
      "allow by db[0]",
      "deny by default of db and prod and web",
    ],
  );
});

test("CVE-2023-41333: a policy that selects nobody here changes nothing for anybody", () => {
  repeat({ runs: 30 }, (random) => {
    const foreign = somePolicy(random, "foreign");
    const elsewhere = selector("io.kubernetes.pod.namespace=elsewhere", "!x");
    const specs = foreign.specs.map((spec) => ({
      ...spec,
      subject: { kind: "endpoints" as const, selector: [...spec.subject.selector, ...elsewhere] },
    }));
    const own = somePolicy(random, "own");
    const pod = { ...subject(1, []), labels: someLabels(random) };
    const alone = new Scene({ policies: [own], subject: pod, addresses: addresses.map(String) });
    const beside = new Scene({
      policies: [own, { ...foreign, specs }],
      subject: pod,
      addresses: addresses.map(String),
    });
    for (const peer of Object.keys(peerIds) as (keyof typeof peerIds)[])
      for (const direction of ["ingress", "egress"] as const)
        assert.equal(
          beside.ask({ peer, direction, address: "10.1.2.3" }),
          alone.ask({ peer, direction, address: "10.1.2.3" }),
        );
  });
});

test("identity reuse: a number that comes back with other labels is judged by those", () => {
  const scene = new Scene({
    policies: [policy("p", [allow({ peers: [pods("app=web")] })])],
    peers: [identity(400, ["app=web"])],
  });
  const { node } = scene;
  assert.equal(scene.ask({ peer: 400 }), "allow by p[0]");
  node.compiler.deleteIdentity(400);
  node.commit();
  assert.equal(scene.ask({ peer: 400 }), "deny by default of p");
  node.compiler.setIdentity(identity(400, ["app=api"]));
  node.commit();
  assert.equal(scene.ask({ peer: 400 }), "deny by default of p");
  node.compiler.setIdentity(identity(400, ["app=web"]));
  node.commit();
  assert.equal(scene.ask({ peer: 400 }), "allow by p[0]");
});

test("policy narrowed: what a policy no longer allows is denied with the commit that says so", () => {
  const narrow = policy("p", [allow({ peers: [pods("app=web")], ports: ports("443") })]);
  const scene = new Scene({ policies: [policy("p", [allow({ peers: [pods("app=web")] })])] });
  scene.node.compiler.setPolicy(narrow);
  scene.node.commit();
  assert.equal(scene.ask({ peer: "web", port: "80" }), "deny by default of p");
  assert.equal(scene.ask({ peer: "web", port: "443" }), "allow by p[0]");
});
