// Every IPAM mode with a real agent, operator, API server and plugin: 32 ADDs at once, an agent that is killed between,
// and a log of the runtime's own that knows whether an address was ever given twice. (cluster-pool: ../cni.)
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { type CiliumNode, KubeError, type KubeClient, resources } from "@tsilium/kube";
import { Address, Prefix } from "@tsilium/net";
import { projectRoot } from "@tsilium/syscall";
import { Runtime, type TestPod } from "../testing/runtime.ts";
import { AddressLog } from "./testing/address-log.ts";

const signal = () => AbortSignal.timeout(10_000);

async function eventually<T>(read: () => Promise<T>, expected: T): Promise<void> {
  const deadline = Date.now() + 8_000;
  for (;;) {
    const found = await read();
    try {
      return assert.deepEqual(found, expected);
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
    await sleep(50);
  }
}

const pods = (runtime: Runtime, count: number) =>
  Promise.all(Array.from({ length: count }, () => runtime.pod()));

const node = ({ cluster }: Runtime) =>
  cluster.client.get(resources.ciliumNodes, "node-1", { signal: signal() });

/** 32 at once, some of them changed for others, an agent killed, all gone. */
async function handsOut(runtime: Runtime, more: object = {}): Promise<void> {
  const log = new AddressLog(runtime);
  const first = await pods(runtime, 32);
  await log.addAll(first, more);
  const late = await pods(runtime, 8);
  await Promise.all([log.removeAll(first.slice(0, 8), more), log.addAll(late, more)]);
  await log.compare();
  await runtime.node.stop("SIGKILL");
  await runtime.node.start();
  await log.compare();
  const later = await pods(runtime, 4);
  await log.addAll(later, more);
  await log.compare();
  await log.removeAll([...first.slice(8), ...late, ...later], more);
  await log.compare();
  assert.equal(log.size, 0);
  assert.equal(log.given.length, 2 * (32 + 8 + 4));
}

test("kubernetes: the Node's pod CIDRs are handed out, and peers are told of them", async () => {
  const podCIDRs = ["10.1.0.0/24", "fd00:1::/64"];
  await using runtime = await Runtime.up({
    pools: { ipam: "kubernetes" },
    prepare: (client) => patchNode(client, { podCIDR: "10.1.0.0/24", podCIDRs }),
  });
  await handsOut(runtime);
  assert.deepEqual((await node(runtime)).spec?.ipam?.podCIDRs, podCIDRs);
  assert.deepEqual(runtime.severeLogLines(), []);
});

test("multi-pool: CIDRs come as pods do, from the pool that is named, and go back", async () => {
  const pool = (range: string, six: string) =>
    `ipv4-cidrs:${range};ipv4-mask-size:28;ipv6-cidrs:${six};ipv6-mask-size:124`;
  await using runtime = await Runtime.up({
    pools: {
      ipam: "multi-pool",
      "auto-create-cilium-pod-ip-pools": `default=${pool("10.10.0.0/16", "fd00:10::/48")},blue=${pool("10.20.0.0/26", "fd00:20::/122")}`,
    },
  });
  const { client } = runtime.cluster;
  await handsOut(runtime);
  const allocated = async () =>
    ((await node(runtime)).spec?.ipam?.pools?.allocated ?? []).map(
      ({ pool: name, cidrs = [] }) => `${name} ${cidrs.length}`,
    );
  // The router, and eight kept free of each family: 14 and 15 fit into a CIDR, 16 are asked for.
  await eventually(allocated, ["default 4"]);

  const annotated = (annotations: Record<string, string>) =>
    runtime.pod({ app: "test" }, annotations);
  const blue = await annotated({ "ipam.cilium.io/ip-pool": "blue" });
  const mixed = await annotated({ "ipam.cilium.io/ipv6-pool": "blue" });
  const families = async (pod: TestPod) =>
    (await runtime.add(pod)).ips.map(({ address }) => address.split(/[.:]/).slice(0, 2).join("."));
  assert.deepEqual(await families(blue), ["10.20", "fd00.20"]);
  assert.deepEqual(await families(mixed), ["10.10", "fd00.20"]);
  await eventually(allocated, ["default 4", "blue 2"]);
  await runtime.remove(blue);
  await runtime.remove(mixed);
  await eventually(allocated, ["default 4"]);

  // A pool that is not there is said not to be; the pod is connected once it is.
  const red = await annotated({ "ipam.cilium.io/ip-pool": "red" });
  const adding = runtime.node.cni("ADD", red.id, red.options);
  await eventually(
    async () => (await node(runtime)).status?.ipam?.["operator-status"]?.error,
    "there is no CiliumPodIPPool red",
  );
  const family = (range: string, maskSize: number) => ({ cidrs: [range], maskSize });
  const spec = { ipv4: family("10.30.0.0/24", 28), ipv6: family("fd00:30::/112", 124) };
  await client.create(
    resources.ciliumPodIPPools,
    { metadata: { name: "red" }, spec },
    { signal: signal() },
  );
  const { status, output } = await adding;
  assert.equal(status, 0, output);
  assert.match(output, /"10\.30\.0\.1\/32"/);
  await eventually(
    async () => (await node(runtime)).status?.ipam?.["operator-status"]?.error ?? "",
    "",
  );
  await runtime.remove(red);

  // An object that somebody deletes is made anew with what pods have addresses of, and an agent that starts while no API
  // server answers goes on with what it had.
  const held = await pods(runtime, 16);
  const next = await pods(runtime, 4);
  const log = new AddressLog(runtime);
  await log.addAll(held);
  const cidrs = async () =>
    ((await node(runtime)).spec?.ipam?.pools?.allocated ?? []).flatMap((each) => each.cidrs ?? []);
  await client.delete(resources.ciliumNodes, "node-1", { signal: signal() });
  await eventually(async () => {
    const now = (await cidrs().catch(() => [])).map((cidr) => Prefix.parse(cidr));
    return log
      .addresses()
      .filter((address) => !now.some((cidr) => cidr.contains(Address.parse(address))));
  }, []);
  await log.compare();
  await runtime.cluster.stopApi();
  await runtime.node.stop("SIGKILL");
  await runtime.node.start();
  await log.compare();
  await runtime.cluster.startApi();
  await log.addAll(next);
  await log.removeAll([...held, ...next]);
  assert.deepEqual(runtime.severeLogLines(), []);
});

test("crd: single addresses are handed out, told of, run out and come", async () => {
  const pool = (from: number, to: number) =>
    Object.fromEntries(
      Array.from({ length: to - from }, (_, number) => [
        [`192.0.2.${from + number}`, {}] as const,
        [`2001:db8::${(from + number).toString(16)}`, {}] as const,
      ]).flat(),
    );
  await using runtime = await Runtime.up({
    pools: { ipam: "crd" },
    prepare: (client) => givePool(client, pool(1, 43)),
  });
  await handsOut(runtime);
  const used = async () =>
    Object.entries((await node(runtime)).status?.ipam?.used ?? {})
      .map(([address, use]) => `${address} ${(use as { owner: string }).owner}`)
      .toSorted();
  await eventually(used, ["192.0.2.1 router", "2001:db8::1 router"]);

  // 42 of each family, one of them the router's.
  const crowd = await pods(runtime, 41);
  const log = new AddressLog(runtime);
  await log.addAll(crowd);
  const [late, later] = (await pods(runtime, 2)) as [TestPod, TestPod];
  const refused = runtime.node.cni("ADD", late.id, late.options);
  const { status, output } = await refused;
  assert.equal(status, 1);
  assert.match(
    output,
    /"code":103.*no free IPv4 address in 192\.0\.2\.1\/32 and 41 more \(42 in use\); add addresses to spec\.ipam\.pool of CiliumNode node-1/,
  );
  await eventually(
    async () =>
      (
        await runtime.cluster.client.list(resources.events, {
          namespace: "default",
          signal: signal(),
        })
      ).items
        .filter(({ reason }) => reason === "IPAMPoolExhausted")
        .map(({ type, involvedObject }) => `${type} ${involvedObject.kind} ${involvedObject.name}`),
    ["Warning Node node-1"],
  );
  // Two that wait: one gets what another pod gives back, one what is added.
  const waiting = [late, later].map((pod) => log.addAll([pod]));
  await sleep(300);
  await log.removeAll(crowd.slice(0, 1));
  await givePool(runtime.cluster.client, pool(43, 44));
  await Promise.all(waiting);
  await log.compare();
  await log.removeAll([...crowd.slice(1), late, later]);
  assert.deepEqual(runtime.severeLogLines(), []);
});

test("delegated-plugin: host-local hands out, and takes back, whatever becomes of the namespace", async (t) => {
  const path = join(projectRoot(), ".toolchain/debian/usr/lib/cni");
  if (!existsSync(join(path, "host-local"))) return t.skip("there is no host-local");
  const dataDir = mkdtempSync(join(tmpdir(), "tsit-host-local-"));
  await using cleanUp = new AsyncDisposableStack();
  cleanUp.defer(() => rmSync(dataDir, { recursive: true }));
  const runtime = cleanUp.use(
    await Runtime.up({
      pools: { ipam: "delegated-plugin" },
      config: { "local-router-ipv4": "169.254.7.1", "local-router-ipv6": "fd00:7::1" },
    }),
  );
  const ipam = (subnet = "10.50.0.0/24") => ({
    type: "host-local",
    dataDir,
    ranges: [[{ subnet }], [{ subnet: "fd00:50::/112" }]],
  });
  // What Debian's plugins speak.
  const delegated = { path, ipam: ipam(), cniVersion: "1.0.0" };
  const held = () =>
    readdirSync(join(dataDir, "tsilium")).filter((name) => /^[0-9a-f.:]+$/.test(name)).length;
  await handsOut(runtime, delegated);
  assert.equal(held(), 0);

  // A DEL that knows the container alone, and one of a pod whose namespace is gone.
  const [lost, failing] = (await pods(runtime, 2)) as [TestPod, TestPod];
  await runtime.add(lost, delegated);
  assert.equal(held(), 2);
  const { netns: _, ...withoutNetns } = { ...lost.options, ...delegated };
  assert.deepEqual(await runtime.node.cni("DEL", lost.id, withoutNetns), { status: 0, output: "" });
  assert.equal(held(), 0);
  // What fails after the plugin gave leaves nothing with it.
  const gone = { ...failing.options, ...delegated, netns: "/var/run/netns/none" };
  assert.equal(
    await runtime.failure("ADD", failing.id, gone),
    "3 the container's network namespace is gone",
  );
  assert.equal(held(), 0);
  // Its own failures are told, whose they are too.
  for (const [options, expected] of [
    [
      { ipam: { type: "nobody" } },
      "107 the IPAM plugin nobody failed: there is no program nobody in CNI_PATH",
    ],
    [{ ipam: undefined }, "7 ipam.type is missing"],
    [
      { ipam: { ...ipam(), ranges: [[{ subnet: "10.50.0.0/24" }]] } },
      "107 the IPAM plugin host-local gave no IPv6 address",
    ],
  ] as const)
    assert.equal(
      await runtime.failure("ADD", failing.id, { ...failing.options, ...delegated, ...options }),
      expected,
    );
  assert.equal(held(), 0);
  assert.deepEqual(runtime.severeLogLines(), []);
});

async function patchNode(client: KubeClient, spec: object): Promise<void> {
  await client.patch(resources.nodes, "node-1", {
    type: "merge",
    patch: { spec },
    signal: signal(),
  });
}

/** As soon as the kind, and the agent's object, are there. */
async function givePool(
  client: KubeClient,
  pool: NonNullable<NonNullable<NonNullable<CiliumNode["spec"]>["ipam"]>["pool"]>,
): Promise<void> {
  for (;;) {
    try {
      const patch = { spec: { ipam: { pool } } };
      await client.patch(resources.ciliumNodes, "node-1", {
        type: "merge",
        patch,
        signal: signal(),
      });
      return;
    } catch (error) {
      if (!KubeError.isNotFound(error)) throw error;
      await sleep(50);
    }
  }
}
