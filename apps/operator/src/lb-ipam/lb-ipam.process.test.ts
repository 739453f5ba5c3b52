// LB-IPAM of a whole operator against a real API server.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type CiliumLoadBalancerIPPool,
  type Condition,
  KubeError,
  resources,
  type Service,
  type ServiceSpec,
} from "@tsilium/kube";
import { type Cluster, expectEventually, withCluster } from "../testing/cluster.ts";

type PoolSpec = CiliumLoadBalancerIPPool["spec"];

const namespace = "default";
const { services, ciliumLoadBalancerIPPools: pools } = resources;

async function addPool({ client, signal }: Cluster, name: string, spec: PoolSpec): Promise<void> {
  await client.create(pools, { metadata: { name }, spec: spec ?? {} }, { signal });
}

type More = Partial<ServiceSpec> & { readonly annotations?: Record<string, string> };

async function addService({ client, signal }: Cluster, name: string, more: More = {}) {
  const { annotations = {}, ...spec } = more;
  return client.create<Service>(
    services,
    {
      metadata: { name, namespace, annotations },
      spec: { type: "LoadBalancer", ports: [{ port: 80 }], selector: { app: name }, ...spec },
    },
    { signal },
  );
}

async function change({ client, signal }: Cluster, name: string, patch: object): Promise<void> {
  await client.patch(services, name, { namespace, type: "merge", patch, signal });
}

async function write({ client, signal }: Cluster, name: string, status: object): Promise<void> {
  await client.patchStatus(services, name, { namespace, status, signal });
}

const claim = "cilium.io/IPAMRequestSatisfied";

/** "name: addresses, what our condition says" per load balancer and whoever has a status. */
async function told({ client, signal }: Cluster): Promise<string[]> {
  const { items } = await client.list(services, { namespace, signal });
  return items
    .filter(({ metadata }) => metadata.name !== "kubernetes")
    .map(({ metadata, status }) => {
      const has = (status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip ?? hostname);
      const condition = status?.conditions?.find(({ type }) => type === claim);
      return `${metadata.name}: ${[...has, condition?.reason ?? "-"].join(" ")}`;
    })
    .sort();
}

const expectServices = (cluster: Cluster, ...lines: string[]) =>
  expectEventually(() => told(cluster), lines);

async function conditionsOf({ client, signal }: Cluster, name: string): Promise<string[]> {
  const pool = await client.get(pools, name, { signal });
  const text = ({ type, status, message }: Condition) =>
    `${type.split("/").at(-1)} ${status} ${message}`;
  return (pool.status?.conditions ?? []).map(text).sort();
}

const cidr = (...cidrs: string[]) => ({ blocks: cidrs.map((each) => ({ cidr: each })) });

test("a load balancer gets an address of each of its families, and the pool counts them", () =>
  withCluster(async (cluster) => {
    const { client, signal } = cluster;
    const operator = await cluster.operate();
    await addPool(cluster, "blue", cidr("192.0.2.0/28", "2001:db8::/64"));
    await addService(cluster, "web", { ipFamilyPolicy: "PreferDualStack" });
    await expectServices(cluster, "web: 192.0.2.0 2001:db8:: satisfied");
    const { metadata, status } = await client.get(services, "web", { namespace, signal });
    assert.deepEqual(status?.loadBalancer?.ingress?.[0], { ip: "192.0.2.0", ipMode: "VIP" });
    const [condition] = status?.conditions ?? [];
    assert.equal(condition?.status, "True");
    assert.equal(condition?.observedGeneration, metadata.generation);
    assert.match(condition?.lastTransitionTime ?? "", /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    await expectEventually(
      () => conditionsOf(cluster, "blue"),
      [
        "IPsAvailable Unknown 18446744073709551630",
        "IPsTotal Unknown 18446744073709551632",
        "IPsUsed Unknown 2",
        "PoolConflict False ",
      ],
    );
    const page = await operator.metrics.registry.metrics();
    assert.match(page, /^tsilium_operator_lbipam_ips_used_total\{pool="blue"\} 2$/m);
    assert.match(page, /^tsilium_operator_lbipam_services_matching_total 1$/m);
    const states = operator.health().map(({ name, state }) => `${name} ${state}`);
    assert.ok(states.includes("load-balancer addresses ok"), states.join());
    assert.ok(states.includes("watch ciliumloadbalancerippools ok"), states.join());
  }));

test("without a pool nothing is said; what cannot be given is said once there is one", () =>
  withCluster(async (cluster) => {
    const { client, signal } = cluster;
    const operator = await cluster.operate();
    await addService(cluster, "a");
    await addService(cluster, "b");
    await addService(cluster, "inside", { type: "ClusterIP" });
    await addPool(cluster, "other", cidr("2001:db8::/64"));
    await expectServices(cluster, "a: no_pool", "b: no_pool", "inside: -");
    await addPool(cluster, "one", cidr("192.0.2.7/32"));
    await expectServices(cluster, "a: 192.0.2.7 satisfied", "b: out_of_ips", "inside: -");
    assert.match(
      await operator.metrics.registry.metrics(),
      /^tsilium_operator_lbipam_services_unsatisfied_total 1$/m,
    );
    await client.delete(services, "a", { namespace, signal });
    await expectServices(cluster, "b: 192.0.2.7 satisfied", "inside: -");
  }));

test("a service of another type, and a deleted pool, give their addresses back", () =>
  withCluster(async (cluster) => {
    const { client, signal } = cluster;
    await cluster.operate();
    await addPool(cluster, "one", cidr("192.0.2.7/32"));
    await addService(cluster, "a");
    await addService(cluster, "b");
    await expectServices(cluster, "a: 192.0.2.7 satisfied", "b: out_of_ips");
    await change(cluster, "a", { spec: { type: "NodePort" } });
    await expectServices(cluster, "a: -", "b: 192.0.2.7 satisfied");
    await client.delete(pools, "one", { signal });
    await expectServices(cluster, "a: -", "b: no_pool");
    await addPool(cluster, "two", cidr("198.51.100.1/32"));
    await expectServices(cluster, "a: -", "b: 198.51.100.1 satisfied");
  }));

test("services of other classes, and those that others gave addresses to, are left alone", () =>
  withCluster(async (cluster) => {
    await cluster.operate();
    const theirs = { loadBalancer: { ingress: [{ ip: "192.0.2.1" }] } };
    const name = { loadBalancer: { ingress: [{ hostname: "lb.example.com" }] } };
    await addService(cluster, "class", { loadBalancerClass: "example.com/lb" });
    await addService(cluster, "foreign");
    await addService(cluster, "named");
    await write(cluster, "class", theirs);
    await write(cluster, "foreign", { loadBalancer: { ingress: [{ ip: "198.51.100.1" }] } });
    await write(cluster, "named", name);
    await addPool(cluster, "p", { blocks: [{ start: "192.0.2.1", stop: "192.0.2.9" }] });
    await addService(cluster, "bgp", { loadBalancerClass: "io.cilium/bgp-control-plane" });
    await addService(cluster, "l2", { loadBalancerClass: "io.cilium/l2-announcer" });
    await expectServices(
      cluster,
      "bgp: 192.0.2.2 satisfied",
      "class: 192.0.2.1 -",
      "foreign: 198.51.100.1 -",
      "l2: 192.0.2.3 satisfied",
      "named: lb.example.com -",
    );
    await write(cluster, "foreign", { loadBalancer: { ingress: null } });
    await expectServices(
      cluster,
      "bgp: 192.0.2.2 satisfied",
      "class: 192.0.2.1 -",
      "foreign: 192.0.2.4 satisfied",
      "l2: 192.0.2.3 satisfied",
      "named: lb.example.com -",
    );
  }));

test("whoever answers for services that pools have nothing for is not in our way, nor we in theirs", () =>
  withCluster(async (cluster) => {
    await cluster.operate();
    await addPool(cluster, "other", cidr("2001:db8::/64"));
    await addService(cluster, "web");
    await expectServices(cluster, "web: no_pool");
    await write(cluster, "web", { loadBalancer: { ingress: [{ ip: "198.51.100.1" }] } });
    await expectServices(cluster, "web: 198.51.100.1 -");
    await addPool(cluster, "late", cidr("192.0.2.0/28"));
    await addService(cluster, "next");
    await expectServices(cluster, "next: 192.0.2.0 satisfied", "web: 198.51.100.1 -");
  }));

test("with default-lb-service-ipam none, services without a class are nobody's", () =>
  withCluster(async (cluster) => {
    await cluster.operate("--default-lb-service-ipam=none");
    await addPool(cluster, "p", cidr("192.0.2.0/28"));
    await addService(cluster, "plain");
    await addService(cluster, "bgp", { loadBalancerClass: "io.cilium/bgp-control-plane" });
    await expectServices(cluster, "bgp: 192.0.2.0 satisfied", "plain: -");
  }));

test("what others write into a status stays, and what is taken out of it comes back", () =>
  withCluster(async (cluster) => {
    const { client, signal } = cluster;
    await cluster.operate();
    await addPool(cluster, "p", cidr("192.0.2.0/28"));
    await addService(cluster, "web");
    await expectServices(cluster, "web: 192.0.2.0 satisfied");
    const theirs = { type: "example.com/Seen", status: "True" } as const;
    const ours =
      (await client.get(services, "web", { namespace, signal })).status?.conditions ?? [];
    await write(cluster, "web", {
      loadBalancer: { ingress: [{ ip: "192.0.2.0", ipMode: "Proxy" }] },
      conditions: [theirs, ...ours],
    });
    await change(cluster, "web", { spec: { ports: [{ port: 81 }] } });
    await expectEventually(async () => {
      const { metadata, status } = await client.get(services, "web", { namespace, signal });
      const [first, second] = status?.conditions ?? [];
      return [
        status?.loadBalancer?.ingress,
        first?.type,
        second?.observedGeneration === metadata.generation,
      ];
    }, [[{ ip: "192.0.2.0", ipMode: "Proxy" }], "example.com/Seen", true]);
    await write(cluster, "web", { loadBalancer: { ingress: null }, conditions: null });
    await expectServices(cluster, "web: 192.0.2.0 satisfied");
  }));

test("addresses stay over a restart, unwritten, and are not given twice by the successor", () =>
  withCluster(async (cluster) => {
    const { client, signal } = cluster;
    const first = await cluster.operate();
    await addPool(cluster, "p", { blocks: [{ start: "192.0.2.1", stop: "192.0.2.9" }] });
    for (const name of ["a", "b", "c"]) {
      await addService(cluster, name);
      await expectEventually(async () => (await told(cluster)).at(-1)?.endsWith("satisfied"), true);
    }
    await client.delete(services, "a", { namespace, signal });
    await first.stop();
    const versions = async () =>
      (await client.list(services, { namespace, signal })).items
        .filter(({ metadata }) => ["b", "c"].includes(metadata.name ?? ""))
        .map(({ metadata }) => metadata.resourceVersion);
    const before = await versions();
    await addService(cluster, "a-late");
    const second = await cluster.operate();
    await expectServices(
      cluster,
      "a-late: 192.0.2.1 satisfied",
      "b: 192.0.2.2 satisfied",
      "c: 192.0.2.3 satisfied",
    );
    assert.deepEqual(await versions(), before);
    await second.stop();
  }));

test("what happened while no operator ran is made good", () =>
  withCluster(async (cluster) => {
    const { client, signal } = cluster;
    const first = await cluster.operate();
    await addPool(cluster, "p", cidr("192.0.2.0/31"));
    await addPool(cluster, "q", { ...cidr("198.51.100.0/31"), disabled: true });
    await addService(cluster, "moved");
    await addService(cluster, "inside");
    await expectServices(cluster, "inside: 192.0.2.1 satisfied", "moved: 192.0.2.0 satisfied");
    await first.stop();
    await client.delete(pools, "p", { signal });
    await client.patch(pools, "q", { type: "merge", patch: { spec: { disabled: false } }, signal });
    await change(cluster, "inside", { spec: { type: "ClusterIP" } });
    await cluster.operate();
    await expectServices(cluster, "inside: -", "moved: 198.51.100.0 satisfied");
  }));

test("pools that overlap say so: the younger one gives nothing until the older one is gone", () =>
  withCluster(async (cluster) => {
    const { client, signal } = cluster;
    const operator = await cluster.operate();
    await addPool(cluster, "a", cidr("192.0.2.0/30"));
    await addPool(cluster, "b", cidr("192.0.2.0/24"));
    await addService(cluster, "web", { annotations: { "lbipam.cilium.io/ips": "192.0.2.200" } });
    await expectServices(cluster, "web: no_pool");
    await expectEventually(
      async () => (await conditionsOf(cluster, "b")).find((text) => text.startsWith("PoolC")),
      "PoolConflict True Pool conflicts since range '192.0.2.0 - 192.0.2.255' overlaps range '192.0.2.0 - 192.0.2.3' from IP Pool 'a'",
    );
    assert.match(
      await operator.metrics.registry.metrics(),
      /^tsilium_operator_lbipam_conflicting_pools_total 1$/m,
    );
    await client.delete(pools, "a", { signal });
    await expectServices(cluster, "web: 192.0.2.200 satisfied");
    await expectEventually(
      async () => (await conditionsOf(cluster, "b")).find((text) => text.startsWith("PoolC")),
      "PoolConflict False ",
    );
  }));

test("a pool of which a part means nothing says so, and gives the rest", () =>
  withCluster(async (cluster) => {
    const { client, signal } = cluster;
    await cluster.operate();
    const bad = { start: "192.0.2.9", stop: "192.0.2.1" };
    await addPool(cluster, "p", { blocks: [bad, { cidr: "198.51.100.0/30" }] });
    await addService(cluster, "web");
    await expectServices(cluster, "web: 198.51.100.0 satisfied");
    const valid = async () =>
      (await conditionsOf(cluster, "p")).find((text) => text.startsWith("Valid"));
    await expectEventually(valid, "Valid False spec.blocks[0]: 192.0.2.1 comes before 192.0.2.9");
    const spec = { blocks: [{ cidr: "198.51.100.0/30" }] };
    await client.patch(pools, "p", { type: "merge", patch: { spec }, signal });
    await expectEventually(valid, undefined);
  }));

test("nodes', pods' and services' own addresses are never given", () =>
  withCluster(async (cluster) => {
    const { client, signal } = cluster;
    await cluster.operate();
    const status = { addresses: [{ type: "InternalIP", address: "172.18.0.2" }] };
    await client.create(resources.nodes, { metadata: { name: "n" }, status }, { signal });
    await client.create(
      resources.ciliumNodes,
      { metadata: { name: "n" }, spec: { addresses: [{ type: "InternalIP", ip: "172.18.0.2" }] } },
      { signal },
    );
    await expectEventually(async () => {
      const { spec } = await client.get(resources.ciliumNodes, "n", { signal });
      return spec?.ipam?.podCIDRs?.[0];
    }, "10.244.0.0/24");
    await addService(cluster, "inside", { type: "ClusterIP", clusterIP: "10.96.200.1" });
    await addPool(cluster, "p", {
      blocks: [
        { start: "172.18.0.2", stop: "172.18.0.2" },
        { cidr: "10.244.0.0/25" },
        { start: "10.96.200.1", stop: "10.96.200.2" },
      ],
    });
    await addService(cluster, "a", { clusterIP: "10.96.100.1" });
    await addService(cluster, "b", { clusterIP: "10.96.100.2" });
    await expectServices(cluster, "a: 10.96.200.2 satisfied", "b: out_of_ips", "inside: -");
    // A node that comes with an address that a service has.
    const late = { addresses: [{ type: "ExternalIP", address: "10.96.200.2" }] };
    await client.create(resources.nodes, { metadata: { name: "late" }, status: late }, { signal });
    await expectServices(cluster, "a: out_of_ips", "b: out_of_ips", "inside: -");
  }));

test("services with one sharing key share an address, in one namespace and across", () =>
  withCluster(async (cluster) => {
    const { client, signal } = cluster;
    await cluster.operate();
    await addPool(cluster, "p", cidr("192.0.2.0/28"));
    const key = { "lbipam.cilium.io/sharing-key": "front" };
    await addService(cluster, "http", { annotations: key });
    await addService(cluster, "https", { annotations: key, ports: [{ port: 443 }] });
    await addService(cluster, "third", { annotations: key });
    await expectServices(
      cluster,
      "http: 192.0.2.0 satisfied",
      "https: 192.0.2.0 satisfied",
      "third: 192.0.2.1 satisfied",
    );
    await client.create(resources.namespaces, { metadata: { name: "other" } }, { signal });
    const cross = { ...key, "lbipam.cilium.io/sharing-cross-namespace": "*" };
    const spec = { type: "LoadBalancer", ports: [{ port: 8080 }] } as const;
    const object = { metadata: { name: "far", namespace: "other", annotations: cross }, spec };
    await client.create<Service>(services, object, { signal });
    const far = async () => {
      const { status } = await client.get(services, "far", { namespace: "other", signal });
      return status?.loadBalancer?.ingress?.map(({ ip }) => ip);
    };
    await expectEventually(far, ["192.0.2.2"]);
    await client.delete(services, "far", { namespace: "other", signal });
    for (const name of ["http", "https"])
      await change(cluster, name, { metadata: { annotations: cross } });
    await client.create<Service>(services, object, { signal });
    await expectEventually(far, ["192.0.2.0"]);
  }));

test("two hundred services at once have two hundred addresses, over an API server that goes away", () =>
  withCluster(async (cluster) => {
    await cluster.operate();
    await addPool(cluster, "p", { blocks: [{ start: "192.0.2.1", stop: "192.0.2.200" }] });
    const names = Array.from({ length: 200 }, (_, at) => `s${at}`);
    const create = names.map((name) => addService(cluster, name));
    await Promise.all(create);
    await cluster.api.restart();
    const client = cluster.api.connect();
    await expectEventually(async () => {
      try {
        const lines = await told({ ...cluster, client });
        const given = new Set(lines.map((line) => line.split(" ")[1]));
        return [lines.length, given.size, lines.every((line) => line.endsWith(" satisfied"))];
      } catch (error) {
        // Connections of the old server's time.
        assert.ok(error instanceof KubeError);
        return undefined;
      }
    }, [200, 200, true]);
  }));
