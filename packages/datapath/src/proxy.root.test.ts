// Redirection to proxies, with a real one (HAProxy, which only passes on) in the nodes' namespaces.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { CompiledSlot, Direction, RuleEntry } from "./model.ts";
import { TestCluster } from "./testing/cluster.ts";
import { TestProxy } from "./testing/haproxy.ts";

const port = 8080;
const listeners = { egress: 10_000, ingress: 11_008 } as const;
const slotNumbers = { egress: 2, ingress: 3, none: 1 } as const;
const ipv = [4, 6] as const;

/** Redirects one port, and allows everything else. */
function redirecting(direction: Direction, fields: Partial<RuleEntry> = {}): CompiledSlot {
  return {
    slot: slotNumbers[direction],
    direction,
    otherwise: { verdict: "allow", rule: 900 },
    response: "drop",
    portLengths: [16],
    usesCidr: false,
    defaultIgnoresCidr: false,
    knownPeersOnly: false,
    classes: [],
    cidrClasses: [],
    rules: [
      {
        class: 0,
        cidrClass: 0,
        protocol: 6,
        port,
        portLength: 16,
        verdict: "redirect",
        response: "drop",
        rule: 7,
        proxyPort: listeners[direction],
        ...fields,
      },
    ],
  };
}

/** Two nodes with an egress and an ingress proxy each. */
class ProxiedCluster implements AsyncDisposable {
  readonly cluster: TestCluster;
  readonly #proxies = new Map<string, TestProxy>();

  constructor(cluster: TestCluster) {
    this.cluster = cluster;
  }

  static async up(routingMode: "tunnel" | "native"): Promise<ProxiedCluster> {
    const made = new ProxiedCluster(await TestCluster.up({ routingMode }));
    try {
      for (const node of [1, 2]) await made.#startProxies(node);
      return made;
    } catch (error) {
      await made[Symbol.asyncDispose]();
      throw error;
    }
  }

  proxy(node: number, direction: Direction): TestProxy {
    return this.#proxies.get(`${node} ${direction}`) as TestProxy;
  }

  async #startProxies(node: number): Promise<void> {
    const { cluster } = this;
    await cluster.node(node).kill();
    await cluster.startNode(node, { l7Proxy: true });
    for (const direction of ["egress", "ingress"] as const) {
      const proxy = new TestProxy(cluster.netns(`node-${node}`), listeners[direction]);
      this.#proxies.set(`${node} ${direction}`, proxy);
    }
    await cluster.node(node).call("attachProxies", {
      egress: this.proxy(node, "egress").cgroup.path,
      ingress: this.proxy(node, "ingress").cgroup.path,
    });
    for (const direction of ["egress", "ingress"] as const)
      await this.proxy(node, direction).start();
  }

  /** Holds pods (by number) to redirecting slots; all others stay without policy. */
  async hold(pods: Readonly<Record<number, Partial<Record<Direction, true>>>>): Promise<void> {
    const { cluster } = this;
    for (const node of [1, 2]) {
      const local = cluster.pods.filter((pod) => pod.node === node);
      const subjects = local.map((pod) => {
        const wanted = pods[cluster.pods.indexOf(pod) + 1] ?? {};
        return {
          subject: pod.entry.id,
          egress: wanted.egress ? slotNumbers.egress : slotNumbers.none,
          ingress: wanted.ingress ? slotNumbers.ingress : slotNumbers.none,
        };
      });
      const slots = [redirecting("egress"), redirecting("ingress")];
      await cluster.node(node).call("holdPolicy", slots, subjects);
      for (const pod of local)
        await cluster.node(node).call("upsertEndpoint", { ...pod.entry, subject: pod.entry.id });
    }
  }

  /** The connections through proxies of a node since it was asked last. */
  async proxied(node: number): Promise<string[]> {
    return (await this.cluster.node(node).call("proxied")).toSorted();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const proxy of this.#proxies.values()) await proxy.kill();
    await this.cluster[Symbol.asyncDispose]();
    for (const proxy of this.#proxies.values()) await proxy[Symbol.asyncDispose]();
  }
}

type Party = { readonly name: string; readonly address: (family: 4 | 6) => string };

function parties(cluster: TestCluster): Record<string, Party> {
  const pod = (number: number): Party => {
    const { ipv4, ipv6 } = cluster.pod(number);
    return { name: `pod-${number}`, address: (family) => (family === 4 ? ipv4 : ipv6) };
  };
  const node = (number: number): Party => ({
    name: `node-${number}`,
    address: (family) => (family === 4 ? `172.18.0.${number + 1}` : `fc00:18::${number + 1}`),
  });
  const { ipv4, ipv6 } = cluster.world;
  return {
    "pod-1": pod(1),
    "pod-2": pod(2),
    "pod-3": pod(3),
    "node-1": node(1),
    "node-2": node(2),
    world: { name: "world", address: (family) => (family === 4 ? ipv4 : ipv6) },
  };
}

/** Who asks whom, held to what, and where proxies have the connection. */
const rows: readonly {
  readonly from: string;
  readonly to: string;
  readonly held: Readonly<Record<number, Partial<Record<Direction, true>>>>;
  /** Parts of the connection that node 1 and node 2 track beyond the usual. */
  readonly parts: Readonly<Record<1 | 2, readonly string[]>>;
}[] = [
  {
    from: "pod-1",
    to: "pod-2",
    held: { 1: { egress: true } },
    parts: { 1: ["client by 10000", "egress-proxy by 0"], 2: [] },
  },
  {
    from: "pod-1",
    to: "pod-3",
    held: { 1: { egress: true } },
    parts: { 1: ["client by 10000"], 2: [] },
  },
  {
    from: "pod-1",
    to: "world",
    held: { 1: { egress: true } },
    parts: { 1: ["client by 10000"], 2: [] },
  },
  {
    from: "pod-1",
    to: "node-1",
    held: { 1: { egress: true } },
    parts: { 1: ["client by 10000"], 2: [] },
  },
  {
    from: "pod-1",
    to: "node-2",
    held: { 1: { egress: true } },
    parts: { 1: ["client by 10000"], 2: [] },
  },
  {
    from: "pod-1",
    to: "pod-2",
    held: { 2: { ingress: true } },
    parts: { 1: ["client by 11008", "ingress-proxy by 0"], 2: [] },
  },
  {
    from: "pod-1",
    to: "pod-3",
    held: { 3: { ingress: true } },
    parts: { 1: [], 2: ["client by 11008", "ingress-proxy by 0"] },
  },
  {
    from: "node-1",
    to: "pod-2",
    held: { 2: { ingress: true } },
    parts: { 1: ["client by 11008", "ingress-proxy by 0"], 2: [] },
  },
  {
    from: "node-2",
    to: "pod-2",
    held: { 2: { ingress: true } },
    parts: { 1: ["client by 11008", "ingress-proxy by 0"], 2: [] },
  },
  {
    from: "pod-1",
    to: "pod-2",
    held: { 1: { egress: true }, 2: { ingress: true } },
    parts: { 1: ["client by 10000", "egress-proxy by 11008", "ingress-proxy by 0"], 2: [] },
  },
  {
    from: "pod-1",
    to: "pod-3",
    held: { 1: { egress: true }, 3: { ingress: true } },
    parts: { 1: ["client by 10000"], 2: ["client by 11008", "ingress-proxy by 0"] },
  },
];

for (const routingMode of ["tunnel", "native"] as const)
  test(`a redirected connection gets through proxies as its client, both families (${routingMode})`, async (t) => {
    await using made = await ProxiedCluster.up(routingMode);
    const { cluster } = made;
    const who = parties(cluster);
    const peers = new Map(
      ["pod-1", "pod-2", "pod-3", "node-1", "node-2", "world"].map((name) => [
        name,
        cluster.peer(cluster.netns(name)),
      ]),
    );
    for (const peer of peers.values()) await peer.call("listen", port);
    for (const { from, to, held, parts } of rows)
      await t.test(`${from} to ${to}, held: ${JSON.stringify(held)}`, async () => {
        await made.hold(held);
        for (const family of ipv) {
          for (const node of [1, 2]) await cluster.node(node).call("sweep", 2n ** 62n);
          const peer = peers.get(from);
          const client = await peer?.call("connect", who[to]?.address(family) as string, port);
          const answers = [];
          for (const line of ["one", "two"])
            answers.push(await peer?.call("exchange", client as number, line));
          const seen = /^(?:::ffff:)?(\S+) one$/.exec(String(answers[0]))?.[1];
          // The world sees the node, and a node another node's router, as without a proxy.
          if (to.startsWith("pod") && from.startsWith("pod"))
            assert.equal(seen, who[from]?.address(family));
          assert.match(String(answers[1]), / two$/);
          for (const node of [1, 2] as const)
            assert.deepEqual(
              (await made.proxied(node)).map((line) => line.replace(/ 6 .* by/, " by")),
              parts[node].toSorted(),
              `node ${node}, IPv${family}`,
            );
          await peer?.call("close", client as number);
          // Its last packets would be counted with the next one's.
          await sleep(100);
        }
      });
    for (const node of [1, 2]) {
      const drops = (await cluster.node(node).call("metrics")).filter(
        (line) => !/^(Success|Absorbed)/.test(line),
      );
      assert.deepEqual(drops, [], `drops of node ${node}`);
    }
  });

test("without a listener nothing gets through, and with it again everything", async () => {
  await using made = await ProxiedCluster.up("tunnel");
  const { cluster } = made;
  await cluster.peer(cluster.netns("pod-2")).call("listen", port);
  await made.hold({ 1: { egress: true } });
  const client = cluster.peer(cluster.netns("pod-1"));
  await made.proxy(1, "egress").kill();
  for (const address of [cluster.pod(2).ipv4, cluster.pod(2).ipv6])
    await assert.rejects(client.call("connect", address, port), /no connection/);
  const drops = (await cluster.node(1).call("metrics")).filter((line) => /ocket lookup/.test(line));
  assert.equal(drops.length, 1, "counted under their reason");
  await made.proxy(1, "egress").start();
  const connection = await client.call("connect", cluster.pod(2).ipv4, port);
  assert.match(await client.call("exchange", connection, "hello"), /hello$/);
});

test("a connection that no proxy saw begin is reset when a proxy is to have it; one that a proxy has stays with it", async () => {
  await using made = await ProxiedCluster.up("tunnel");
  const { cluster } = made;
  await cluster.peer(cluster.netns("pod-2")).call("listen", port);
  await made.hold({});
  const client = cluster.peer(cluster.netns("pod-1"));
  const direct = await client.call("connect", cluster.pod(2).ipv4, port);
  assert.match(await client.call("exchange", direct, "before"), /before$/);
  await made.hold({ 2: { ingress: true } });
  assert.equal(await client.call("exchange", direct, "after"), "closed");
  const proxied = await client.call("connect", cluster.pod(2).ipv4, port);
  assert.match(await client.call("exchange", proxied, "before"), /before$/);
  await made.hold({});
  assert.match(await client.call("exchange", proxied, "after"), /after$/);
});
