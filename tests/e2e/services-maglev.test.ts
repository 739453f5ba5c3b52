// Maglev: all nodes choose alike, by the client's address and port; and when one of a hundred backends goes, at most one in
// a hundred of the other flows moves.
//
//   node-1: a, c      node-2: b, d      world: 203.0.113.10, by a route through the one or the other
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { EndpointSlice, LoadBalancerIPBlock } from "@tsilium/kube";
import { run } from "./harness.ts";
import { answerOf, type Request } from "./services/requests.ts";
import {
  families,
  type Family,
  loadBalancerIp,
  nodeAddress,
  ServiceLab,
} from "./services/service-lab.ts";
import {
  echoPod,
  echoPort,
  endpointSlice,
  loadBalancerPool,
  service,
} from "./services/service-objects.ts";

const namespace = "maglev";
const nodes = ["node-1", "node-2"] as const;
const homes = { a: "node-1", b: "node-2", c: "node-1", d: "node-2" } as const;
const blocks: LoadBalancerIPBlock[] = [{ cidr: "198.51.100.0/24" }, { cidr: "2001:db8:51::/112" }];
const flows = 200;
/** Whoever is behind it is in slices. */
const hundred = service("hundred", namespace, {
  selector: {},
  type: "LoadBalancer",
  ports: [{ name: "tcp", port: 80, protocol: "TCP", targetPort: echoPort }],
});

let cluster: ServiceLab;
before(async () => {
  cluster = await ServiceLab.up({
    purpose: "maglev",
    namespaces: [namespace],
    set: { "bpf-lb-algorithm": "maglev" },
  });
  await cluster.apply(
    loadBalancerPool("maglev", ...blocks),
    ...Object.entries(homes).map(([name, node]) =>
      echoPod({ name, namespace, node, labels: { app: "web" } }),
    ),
    service("web", namespace, { type: "LoadBalancer" }),
  );
});
after(() => cluster?.[Symbol.asyncDispose]());

for (const family of families)
  test(`a flow gets the same backend through either node, IPv${family}`, async () => {
    const facts = await cluster.service(namespace, "web");
    const address = loadBalancerIp(facts, family);
    const requests = Array.from({ length: flows }, (_, at): Request => ({
      protocol: "udp",
      address,
      port: 80,
      fromPort: 20_000 + at,
    }));
    const chosen: string[][] = [];
    for (const node of nodes) {
      await routeThrough(node, address, family);
      const outcomes = await cluster.inWorld().ask(requests);
      chosen.push(outcomes.map((outcome, at) => answerOf(outcome, `${node}, flow ${at}`).pod));
    }
    const [first = [], second] = chosen;
    assert.deepEqual(first, second);
    const counts = Map.groupBy(first, (pod) => pod);
    assert.deepEqual([...counts.keys()].toSorted(), Object.keys(homes));
    // A quarter each; fewer than half of that come once in a million times.
    for (const [pod, all] of counts) assert.ok(all.length > flows / 8, `${pod}: ${all.length}`);
  });

test("of a hundred backends each has its hundredth, and one that goes takes no others with it", async () => {
  await cluster.apply(hundred, sliceOf(100));
  const full = await tablesOfNodes();
  const sizes = [...Map.groupBy(full, (address) => address).values()].map((all) => all.length);
  assert.equal(sizes.length, 100);
  const share = full.length / 100;
  for (const size of sizes) assert.ok(Math.abs(size - share) < share * 0.02, `${size} of ${share}`);

  await cluster.apply(sliceOf(99));
  const less = await tablesOfNodes();
  const gone = `10.244.200.100:${echoPort}/TCP`;
  assert.ok(full.includes(gone) && !less.includes(gone), full.slice(0, 3).join(" "));
  const moved = full.filter((address, at) => address !== gone && less[at] !== address).length;
  assert.ok(moved <= full.length / 100, `${moved} of ${full.length} entries have moved`);

  await cluster.apply(sliceOf(100));
  assert.deepEqual(await tablesOfNodes(), full);
});

/** The first so many of a hundred addresses. */
function sliceOf(count: number): EndpointSlice {
  return endpointSlice(
    { name: "hundred", namespace },
    {
      name: "hundred-4",
      addressType: "IPv4",
      endpoints: Array.from({ length: count }, (_, at) => ({
        addresses: [`10.244.200.${at + 1}`],
        conditions: { ready: true },
      })),
      ports: [{ name: "tcp", port: echoPort, protocol: "TCP" }],
    },
  );
}

/** The table of the service's load balancer's address: the same on all nodes, or the test fails. */
async function tablesOfNodes(): Promise<string[]> {
  const address = loadBalancerIp(await cluster.service(namespace, "hundred"), 4);
  const [first = [], second] = await Promise.all(
    nodes.map(async (node) => {
      const command = ["--node", node, "bpf", "lb"];
      const frontends = await cluster.lab.json<{ address: string; external?: { id: number } }[]>(
        ...command,
        "list",
        "--frontends",
      );
      const set = frontends.find((row) => row.address === `${address}:80/TCP`)?.external?.id;
      assert.ok(
        set,
        `${node} does not serve ${address}: ${frontends.map((row) => row.address).join(" ")}`,
      );
      const { table } = await cluster.lab.json<{ table: string[] }>(
        ...command,
        "maglev",
        "get",
        String(set),
      );
      return table;
    }),
  );
  assert.deepEqual(first, second);
  return first;
}

/** What the lab does by itself through a node of its choice. */
async function routeThrough(node: string, address: string, family: Family): Promise<void> {
  const fabric = `tsi-${cluster.lab.name}-fabric`;
  const via = ["via", nodeAddress(node, family), "dev", "br0"];
  const args = ["-n", fabric, `-${family}`, "route", "replace", address, ...via];
  const { status, stderr } = await run("ip", args);
  assert.equal(status, 0, stderr);
}
