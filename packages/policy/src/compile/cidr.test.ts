import assert from "node:assert/strict";
import { test } from "node:test";
import { Labels, Prefix } from "@tsilium/net";
import type { CidrGroup, Peer, PolicyService, PolicySettings } from "../model.ts";
import {
  allow,
  cidr,
  deny,
  identity,
  labels,
  pods,
  policy,
  ports,
  selector,
} from "./testing/build.ts";
import { type Question, Scene, type SceneOptions } from "./testing/scene.ts";

const addresses = ["10.0.0.1", "10.0.0.128", "10.1.0.1", "203.0.113.7", "fd00::1", "2001:db8::1"];
const modes: readonly PolicySettings["cidrMatchMode"][] = [
  [],
  ["nodes"],
  ["pods"],
  ["nodes", "pods"],
];

/** Who of world, node (and host), pod gets through from an address by an allow of these peers. */
function allowed(
  peers: readonly Peer[],
  address: string,
  options: Omit<SceneOptions, "policies"> = {},
): string {
  const scene = new Scene({ ...options, addresses, policies: [policy("p", [allow({ peers })])] });
  const through = (["world", "node", "host", "web"] as const).filter(
    (peer) => scene.ask({ peer, address }) === "allow by p[0]",
  );
  return through.join(" ");
}

test("an external CIDR matches addresses outside the cluster, and of those inside what policy-cidr-match-mode adds", () => {
  const found = modes.map((cidrMatchMode) =>
    allowed([cidr("10.0.0.0/8")], "10.0.0.1", { settings: { cidrMatchMode } }),
  );
  assert.deepEqual(found, [
    "world",
    "world node host",
    "world node host web",
    "world node host web",
  ]);
});

test("an ipBlock matches whoever has the address, whatever policy-cidr-match-mode says", () => {
  for (const cidrMatchMode of modes)
    assert.equal(
      allowed([cidr("10.0.0.0/8", { scope: "any" })], "10.0.0.1", { settings: { cidrMatchMode } }),
      "world node host web",
    );
});

test("an address outside the prefix, or of the other family, does not match", () => {
  for (const prefix of ["10.1.0.0/16", "::/0", "10.0.0.0/32"])
    assert.equal(allowed([cidr(prefix, { scope: "any" })], "10.0.0.1"), "");
  assert.equal(allowed([cidr("0.0.0.0/0")], "2001:db8::1"), "");
  assert.equal(allowed([cidr("::/0")], "2001:db8::1"), "world");
});

test("an exception is not matched, which is not the same as denied", () => {
  const except = cidr("10.0.0.0/8", { except: ["10.0.0.0/25"] });
  assert.equal(allowed([except], "10.0.0.1"), "");
  assert.equal(allowed([except], "10.0.0.128"), "world");
  assert.equal(allowed([except, cidr("10.0.0.1/32")], "10.0.0.1"), "world");
});

test("an exception of one rule does not count for another with the same prefix", () => {
  const scene = new Scene({
    addresses,
    policies: [
      policy("p", [
        allow({ peers: [cidr("10.0.0.0/8", { except: ["10.0.0.0/25"] })], ports: ports("80") }),
        allow({ peers: [cidr("10.0.0.0/8", { except: ["10.1.0.0/16"] })], ports: ports("81") }),
      ]),
    ],
  });
  const through = (address: string) =>
    ["80", "81"].filter((port) => scene.ask({ peer: "world", address, port }).startsWith("allow"));
  assert.deepEqual(through("10.0.0.1"), ["81"]);
  assert.deepEqual(through("10.1.0.1"), ["80"]);
  assert.deepEqual(through("10.0.0.128"), ["80", "81"]);
});

test("a rule of both labels and addresses matches who has either", () => {
  const peers = [pods("app=web"), cidr("10.0.0.0/8", { scope: "any" })];
  assert.equal(allowed(peers, "10.0.0.1"), "world node host web");
  assert.equal(allowed(peers, "203.0.113.7"), "web");
});

test("ipBlock and external CIDR stand side by side without taking on each other's meaning", () => {
  const scene = new Scene({
    addresses,
    policies: [
      policy("p", [
        allow({ peers: [cidr("10.0.0.0/8", { scope: "any" })], ports: ports("80") }),
        deny({ peers: [cidr("10.0.0.0/24")], ports: ports("80") }),
      ]),
    ],
  });
  const ask = (question: Question) => scene.ask(question);
  assert.equal(ask({ peer: "web", address: "10.0.0.1" }), "allow by p[0]");
  assert.equal(ask({ peer: 999, address: "10.0.0.1" }), "unknown peer");
  assert.equal(ask({ peer: "world", address: "10.0.0.1" }), "deny by p[1]");
  assert.equal(ask({ peer: "world", address: "10.1.0.1" }), "allow by p[0]");
});

test("port names of a rule about addresses are the ports of whoever has them", () => {
  const toHttp = (scope: "any" | "external") =>
    allow({ direction: "egress", peers: [cidr("10.0.0.0/8", { scope })], ports: ports("http") });
  const ask = (scope: "any" | "external", address: string) =>
    new Scene({ addresses, policies: [policy("p", [toHttp(scope)])] }).ask({
      direction: "egress",
      peer: "web",
      address,
      port: "8080",
    });
  assert.equal(ask("any", "10.0.0.1"), "allow by p[0]");
  assert.equal(ask("any", "203.0.113.7"), "deny by default of p");
  assert.equal(ask("external", "10.0.0.1"), "deny by default of p");
});

test("an API server outside the cluster is of the world, and of its own", () => {
  const apiServer = identity(0x01000001, ["reserved:kube-apiserver", "reserved:world"]);
  const scene = new Scene({
    addresses,
    peers: [apiServer],
    policies: [
      policy("p", [
        allow({ peers: [cidr("203.0.113.0/24")], ports: ports("80") }),
        allow({ peers: [pods("reserved:kube-apiserver")], ports: ports("81") }),
      ]),
    ],
  });
  const answers = ["80", "81"].map((port) =>
    scene.ask({ peer: apiServer.id, address: "203.0.113.7", port }),
  );
  assert.deepEqual(answers, ["allow by p[0]", "allow by p[1]"]);
});

const group = (name: string, ...prefixes: readonly string[]): CidrGroup => ({
  name,
  labels: labels(`name=${name}`),
  prefixes: prefixes.map((text) => Prefix.parse(text)),
});

test("a CIDR group stands for its prefixes but for the exceptions, by its name or its labels", () => {
  const cidrGroups = [group("a", "10.0.0.0/8"), group("b", "203.0.113.0/24")];
  const except = [Prefix.parse("10.1.0.0/16")];
  const byName: Peer = { kind: "cidr-group", name: "a", except };
  const byLabel: Peer = { kind: "cidr-group-selector", selector: selector("name=b"), except: [] };
  const found = (peer: Peer) =>
    addresses.filter((address) => allowed([peer], address, { cidrGroups }) === "world");
  assert.deepEqual(found(byName), ["10.0.0.1", "10.0.0.128"]);
  assert.deepEqual(found(byLabel), ["203.0.113.7"]);
});

test("a CIDR group that changes changes what policies say, with the next commit", () => {
  const peers: Peer[] = [{ kind: "cidr-group", name: "a", except: [] }];
  const scene = new Scene({ addresses, policies: [policy("p", [allow({ peers })])] });
  const { compiler } = scene.node;
  const ask = () => scene.ask({ peer: "world", address: "10.0.0.1" });
  assert.equal(ask(), "deny by default of p");
  compiler.setCidrGroup(group("a", "10.0.0.0/8"));
  scene.node.commit();
  assert.equal(ask(), "allow by p[0]");
  compiler.deleteCidrGroup("a");
  scene.node.commit();
  assert.equal(ask(), "deny by default of p");
});

const service = (fields: Partial<PolicyService>): PolicyService => ({
  namespace: "shop",
  name: "cart",
  labels: Labels.empty,
  selector: undefined,
  backends: [],
  ...fields,
});
const toCart: Peer = { kind: "service", namespace: "shop", name: "cart" };

test("a service with a selector stands for its pods: of its namespace, in this cluster", () => {
  const pod = (id: number, namespace: string, cluster = "default") =>
    identity(id, [
      "app=cart",
      `io.kubernetes.pod.namespace=${namespace}`,
      `io.cilium.k8s.policy.cluster=${cluster}`,
    ]);
  const scene = new Scene({
    policies: [policy("p", [allow({ peers: [toCart] })])],
    services: [service({ selector: { app: "cart" }, backends: [Prefix.parse("0.0.0.0/0")] })],
    peers: [pod(400, "shop"), pod(401, "other"), pod(402, "shop", "elsewhere")],
    addresses,
  });
  const through = [400, 401, 402, "world" as const].filter((peer) =>
    scene.ask({ peer, address: "10.0.0.1" }).startsWith("allow"),
  );
  assert.deepEqual(through, [400]);
});

test("a service without a selector, or with an empty one, stands for its backends' addresses", () => {
  for (const none of [undefined, {}]) {
    const services = [service({ selector: none, backends: [Prefix.parse("10.0.0.1/32")] })];
    assert.equal(allowed([toCart], "10.0.0.1", { services }), "world");
    assert.equal(allowed([toCart], "10.1.0.1", { services }), "");
  }
});

test("a selector of services stands for those that it matches, in the namespace that it says", () => {
  const backend = (address: string) => [Prefix.parse(`${address}/32`)];
  const services = [
    service({ name: "a", labels: labels("x=y"), backends: backend("10.0.0.1") }),
    service({ name: "b", backends: backend("10.0.0.128") }),
    service({
      name: "c",
      labels: labels("x=y"),
      namespace: "other",
      backends: backend("10.1.0.1"),
    }),
  ];
  const found = (namespace: string | undefined) =>
    addresses.filter((address) => {
      const peer: Peer = { kind: "service-selector", namespace, selector: selector("x=y") };
      return allowed([peer], address, { services }) === "world";
    });
  assert.deepEqual(found("shop"), ["10.0.0.1"]);
  assert.deepEqual(found(undefined), ["10.0.0.1", "10.1.0.1"]);
});

test("prefixes are those that slots look at, exceptions included, and go when no slot does any more", () => {
  const peers = [cidr("10.0.0.0/8", { except: ["10.1.0.0/16"] })];
  const one = policy("p", [allow({ peers })]);
  const scene = new Scene({ addresses, policies: [one] });
  const { compiler } = scene.node;
  assert.deepEqual([...compiler.prefixes().keys()].sort(), ["10.0.0.0/8", "10.1.0.0/16"]);
  compiler.setPolicy(
    policy("elsewhere", [allow({ peers: [cidr("9.0.0.0/8")] })], { subject: selector("app=none") }),
  );
  scene.node.commit();
  assert.equal(compiler.prefixes().size, 2);
  compiler.deletePolicy(one.ref);
  scene.node.commit();
  assert.equal(compiler.prefixes().size, 0);
});

test("a slot that looks at no address says so, and one that looks at the outside only tells who need not be looked up", () => {
  const headers = [
    policy("p", [allow({ peers: [pods("app=web")] })]),
    policy("p", [allow({ peers: [cidr("10.0.0.0/8")] })]),
    policy("p", [allow({ peers: [cidr("10.0.0.0/8", { scope: "any" })] })]),
  ].map((one) => {
    const { usesCidr, defaultIgnoresCidr } = new Scene({ policies: [one] }).node.compiler.slotsOf(
      1,
    ).ingress;
    return { usesCidr, defaultIgnoresCidr };
  });
  assert.deepEqual(headers, [
    { usesCidr: false, defaultIgnoresCidr: false },
    { usesCidr: true, defaultIgnoresCidr: true },
    { usesCidr: true, defaultIgnoresCidr: false },
  ]);
});
