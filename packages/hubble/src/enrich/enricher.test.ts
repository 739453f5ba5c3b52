// Who is who, and who it is after something changed.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Address, Prefix } from "@tsilium/net";
import { type Random, repeat } from "@tsilium/testkit";
import type { FlowEndpoint } from "../model.ts";
import { Enricher, type EndpointItem, type EnrichItem, type KnownAddress } from "./index.ts";

const labels = ["k8s:app=web", "k8s:io.cilium.k8s.policy.cluster=east"];

const pod: EndpointItem = {
  kind: "endpoint",
  id: 7,
  identity: 4711,
  labels,
  namespace: "shop",
  podName: "web-1",
  workloads: [{ name: "web", kind: "Deployment" }],
  ipv4: "10.0.0.5",
  ipv6: "fd00::5",
  ifindex: 12,
  interfaceName: "lxc1",
  netnsCookie: 99n,
};

const address = (prefix: string, identity: number, podName = ""): EnrichItem => ({
  kind: "address",
  prefix,
  identity,
  namespace: podName === "" ? "" : "shop",
  podName,
});

const frontend = (id: number, text: string, port: number, name: string): EnrichItem => ({
  kind: "frontend",
  id,
  namespace: "shop",
  name,
  address: text,
  port,
  protocol: port === 0 ? 0 : 6,
});

function enricherOf(...items: readonly EnrichItem[]): Enricher {
  const enricher = new Enricher();
  for (const item of items) enricher.apply(item);
  return enricher;
}

function known(enricher: Enricher, text: string): KnownAddress {
  const { bytes, family } = Address.parse(text);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const word = (at: number): number => view.getUint32(at * 4);
  return family === 4 ? enricher.ipv4(word(0)) : enricher.ipv6(word(0), word(1), word(2), word(3));
}

function at(enricher: Enricher, text: string, identity = 0): FlowEndpoint {
  return enricher.endpointAt(known(enricher, text), identity);
}

function serviceAt(enricher: Enricher, text: string, port: number): string | undefined {
  return enricher.serviceAt(known(enricher, text), port, 6)?.name;
}

describe("endpoints", () => {
  test("a pod of the node is known by both addresses, and is one object", () => {
    const enricher = enricherOf(pod);
    const found = at(enricher, "10.0.0.5");
    assert.deepEqual(found, {
      id: 7,
      identity: 4711,
      clusterName: "east",
      namespace: "shop",
      labels,
      podName: "web-1",
      workloads: [{ name: "web", kind: "Deployment" }],
    });
    assert.equal(at(enricher, "fd00::5"), found);
    assert.equal(at(enricher, "fd00::5", 4711), found);
  });

  test("what changes elsewhere makes no new object of it", () => {
    const enricher = enricherOf(address("10.0.0.0/8", 2), address("10.1.0.1/32", 50, "far"), {
      kind: "identity",
      id: 50,
      labels,
    });
    const far = at(enricher, "10.1.0.1");
    assert.equal(far.podName, "far");
    enricher.apply(address("10.1.0.2/32", 50, "other"));
    enricher.apply({ kind: "identity", id: 50, labels: [...labels] });
    assert.equal(at(enricher, "10.1.0.1"), far);
    const here = at(enricherOf(pod), "10.0.0.5");
    const told = enricherOf(pod, { ...pod, labels: [...labels], workloads: [...pod.workloads] });
    assert.deepEqual(at(told, "10.0.0.5"), here);
    const before = at(told, "10.0.0.5");
    told.apply({ ...pod, ifindex: 13 });
    assert.equal(at(told, "10.0.0.5"), before);
    enricher.apply({ kind: "identity", id: 50, labels: ["k8s:app=new"] });
    assert.deepEqual(at(enricher, "10.1.0.1").labels, ["k8s:app=new"]);
  });

  test("an identity that an event says wins, with its labels where the pod is elsewhere", () => {
    const enricher = enricherOf(
      pod,
      address("10.1.0.1/32", 50, "far"),
      { kind: "identity", id: 50, labels: ["k8s:a=1"] },
      { kind: "identity", id: 51, labels: ["k8s:a=2"] },
    );
    const { identity, labels: said, podName } = at(enricher, "10.1.0.1", 51);
    assert.deepEqual([identity, said, podName], [51, ["k8s:a=2"], "far"]);
    const here = at(enricher, "10.0.0.5", 51);
    assert.deepEqual([here.identity, here.labels, here.id], [51, labels, 7]);
    assert.equal(at(enricher, "10.0.0.5", 0).identity, 4711);
  });

  test("an address that nobody has is the world's, of its family where both are on", () => {
    assert.deepEqual(at(enricherOf(), "8.8.8.8").labels, ["reserved:world"]);
    const dual = enricherOf({
      kind: "self",
      nodeName: "node-1",
      clusterName: "east",
      nodeLabels: [],
      netnsCookie: 1n,
      dualStack: true,
    });
    assert.equal(at(dual, "8.8.8.8").identity, 9);
    assert.deepEqual(at(dual, "2001:db8::8").labels, ["reserved:world-ipv6"]);
    assert.equal(dual.nodeName, "east/node-1");
  });

  test("of an identity's prefixes the narrowest is shown", () => {
    const enricher = enricherOf(address("203.0.113.0/24", 16_777_300), {
      kind: "identity",
      id: 16_777_300,
      labels: ["reserved:world", "cidr:203.0.113.0/24", "cidr:203.0.0.0/8"],
    });
    assert.deepEqual(at(enricher, "203.0.113.9").labels, ["cidr:203.0.113.0/24", "reserved:world"]);
  });

  test("a pod that goes takes its addresses along, unless another one has them", () => {
    const enricher = enricherOf(pod, { ...pod, id: 8, podName: "web-2", ipv6: undefined });
    enricher.apply({ kind: "endpoint-gone", id: 7 });
    assert.equal(at(enricher, "10.0.0.5").podName, "web-2");
    assert.equal(at(enricher, "fd00::5").podName, "");
    enricher.apply({ kind: "endpoint-gone", id: 8 });
    assert.deepEqual(at(enricher, "10.0.0.5").labels, ["reserved:world"]);
    assert.equal(enricher.pod(7), undefined);
  });

  test("devices have names while they are there", () => {
    const enricher = enricherOf(pod, { kind: "interface", index: 3, name: "eth0" });
    assert.deepEqual(enricher.interface(3), { index: 3, name: "eth0" });
    assert.equal(enricher.interface(12)?.name, "lxc1");
    enricher.apply({ kind: "endpoint-gone", id: 7 });
    assert.deepEqual(enricher.interface(12), { index: 12, name: "" });
    assert.equal(enricher.interface(0), undefined);
  });
});

describe("services", () => {
  test("an address and port is a service's, or the whole address is", () => {
    const enricher = enricherOf(
      frontend(1, "10.96.0.1", 443, "api"),
      frontend(2, "10.96.0.2", 0, "all"),
    );
    assert.equal(serviceAt(enricher, "10.96.0.1", 443), "api");
    assert.equal(serviceAt(enricher, "10.96.0.1", 80), undefined);
    assert.equal(serviceAt(enricher, "10.96.0.2", 81), "all");
    const service = enricher.serviceOf(1);
    assert.equal(service?.name, "api");
    enricher.apply(frontend(1, "10.96.0.1", 443, "api"));
    assert.equal(enricher.serviceOf(1), service);
    assert.equal(serviceAt(enricher, "10.96.0.1", 443), "api");
    assert.equal(enricher.serviceOf(9), undefined);
  });

  test("a node port is any node's, and nobody else's", () => {
    const enricher = enricherOf(
      address("172.18.0.2/32", 1),
      address("172.18.0.3/32", 6),
      frontend(1, "0.0.0.0", 30_080, "web"),
      frontend(2, "172.18.0.3", 80, "external"),
    );
    assert.equal(serviceAt(enricher, "172.18.0.2", 30_080), "web");
    assert.equal(serviceAt(enricher, "172.18.0.3", 30_080), "web");
    assert.equal(serviceAt(enricher, "172.18.0.3", 80), "external");
    assert.equal(serviceAt(enricher, "172.18.0.4", 30_080), undefined);
  });

  test("a frontend that went takes nothing from the one that has its place", () => {
    const enricher = enricherOf(frontend(1, "10.96.0.1", 443, "old"));
    assert.equal(serviceAt(enricher, "10.96.0.1", 443), "old");
    enricher.apply(frontend(2, "10.96.0.1", 443, "new"));
    enricher.apply({ kind: "frontend-gone", id: 1 });
    assert.equal(serviceAt(enricher, "10.96.0.1", 443), "new");
    enricher.apply(frontend(2, "10.96.0.9", 443, "new"));
    assert.equal(serviceAt(enricher, "10.96.0.1", 443), undefined);
    assert.equal(serviceAt(enricher, "10.96.0.9", 443), "new");
  });
});

describe("rules", () => {
  const ref = { kind: "CiliumNetworkPolicy", namespace: "shop", name: "web" };

  test("a rule is one policy, with its place and the object's revision", () => {
    const enricher = enricherOf({
      kind: "rule",
      number: 5,
      name: {
        kind: "rule",
        ref,
        path: "spec.egress[1]",
        matches: { peers: true, ports: "port" },
        log: "seen",
      },
    });
    assert.equal(enricher.rule(6), undefined);
    assert.equal(enricher.rule(5), enricher.rule(5));
    enricher.apply({ kind: "policy", ref, revision: 12, gone: false });
    assert.deepEqual(enricher.rule(5), {
      policies: [
        {
          name: "web",
          namespace: "shop",
          labels: [
            "k8s:io.cilium.k8s.policy.derived-from=CiliumNetworkPolicy",
            "k8s:io.cilium.k8s.policy.name=web",
            "k8s:io.cilium.k8s.policy.namespace=shop",
            "tsilium:io.tsilium.policy.rule-path=spec.egress[1]",
          ],
          revision: 12,
          kind: "CiliumNetworkPolicy",
        },
      ],
      matchType: 2,
      log: ["seen"],
    });
  });

  test("a number that stands for something else now is that", () => {
    const enricher = enricherOf({
      kind: "rule",
      number: 5,
      name: { kind: "builtin", reason: "allow-localhost" },
    });
    assert.equal(enricher.rule(5)?.policies[0]?.name, "allow-localhost");
    const cluster = { kind: "CiliumClusterwideNetworkPolicy", namespace: "", name: "all" };
    enricher.apply({
      kind: "rule",
      number: 5,
      name: { kind: "default-deny", by: [{ ref: cluster, path: "spec" }] },
    });
    assert.deepEqual(
      enricher.rule(5)?.policies.map(({ name, labels: said }) => [name, said.length]),
      [["all", 3]],
    );
  });
});

for (const [peers, ports, matchType] of [
  [true, "any", 1],
  [true, "port", 2],
  [false, "port", 3],
  [false, "any", 4],
  [true, "protocol", 5],
  [false, "protocol", 6],
] as const)
  test(`a rule for ${peers ? "some" : "all"} peers and ${ports} matches as type ${matchType}`, () => {
    const ref = { kind: "NetworkPolicy", namespace: "shop", name: "web" };
    const name = { kind: "rule", ref, path: "", matches: { peers, ports } } as const;
    assert.equal(enricherOf({ kind: "rule", number: 1, name }).rule(1)?.matchType, matchType);
  });

describe("names", () => {
  test("an endpoint's names for an address gather, and go with it", () => {
    const { names } = enricherOf(pod);
    names.learn(7, "203.0.113.1", "b.example.", 30, 0n);
    names.learn(7, "203.0.113.1", "a.example", 30, 1n);
    assert.deepEqual(names.of(7, "203.0.113.1"), ["a.example", "b.example"]);
    assert.deepEqual(names.of(8, "203.0.113.1"), []);
    assert.deepEqual(names.of(0, "203.0.113.1"), []);
    // Its time is over, and another name has the address now.
    names.learn(7, "203.0.113.1", "c.example", 30, 60_000_000_000n);
    assert.deepEqual(names.of(7, "203.0.113.1"), ["c.example"]);
    names.forget(7);
    assert.deepEqual(names.of(7, "203.0.113.1"), []);
  });
});

test("the longest prefix says who has an address, whatever came and went before", () => {
  repeat({ runs: 20 }, (random) => {
    const enricher = enricherOf();
    const rows = new Map<string, number>();
    for (let step = 0; step < 60; step++) {
      const prefix = randomPrefix(random);
      if (random.chance(0.6)) {
        const identity = 100 + random.below(1000);
        rows.set(prefix.toString(), identity);
        enricher.apply(address(prefix.toString(), identity));
      } else {
        const gone = random.chance(0.7)
          ? random.pick([...rows.keys(), "10.9.9.9/32"])
          : `${prefix}`;
        rows.delete(gone);
        enricher.apply({ kind: "address-gone", prefix: gone });
      }
      const asked = randomAddress(random);
      assert.equal(at(enricher, `${asked}`).identity, longest(rows, asked), `${asked}`);
    }
  });
});

/** Few addresses, so that they meet again. */
function randomAddress(random: Random): Address {
  const last = random.below(4);
  return random.chance(0.5)
    ? Address.parse(`10.0.${random.below(2)}.${last}`)
    : Address.parse(`fd00:0:0:${random.below(2)}::${last}`);
}

function randomPrefix(random: Random): Prefix {
  const of = randomAddress(random);
  const bits = of.family === 4 ? 32 : 128;
  return Prefix.of(of, bits - random.pick([0, 0, 1, 2, 8, 64].filter((less) => less < bits)), {
    mask: true,
  });
}

function longest(rows: ReadonlyMap<string, number>, of: Address): number {
  const covering = Array.from(rows, ([text, identity]) => ({
    prefix: Prefix.parse(text),
    identity,
  }))
    .filter(({ prefix }) => prefix.family === of.family && prefix.contains(of))
    .toSorted((a, b) => b.prefix.length - a.prefix.length);
  return covering[0]?.identity ?? 2;
}
