import assert from "node:assert/strict";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Link } from "@tsilium/ebpf";
import type { LinkInfo } from "@tsilium/ebpf";
import { Address } from "@tsilium/net";
import { withNetns } from "@tsilium/syscall";
import type { ServiceConfig } from "./model.ts";
import { openMaps } from "./open-maps.ts";
import { TestCgroup } from "./testing/cgroup.ts";
import { TestCluster } from "./testing/cluster.ts";
import { backend, backendSet, frontend, putAll, removeAll } from "./testing/services.ts";
import { plainServices } from "./testing/service-config.ts";
import { objectsWithXdp } from "./testing/xdp-object.ts";

// One cluster for all: each test starts node 1 anew, over what the test before left.
let cluster: TestCluster;
let objects: ReturnType<typeof objectsWithXdp>;
let cgroups: { readonly first: TestCgroup; readonly second: TestCgroup };
const ended = new AsyncDisposableStack();

const socketHooks = [
  "connect4",
  "connect6",
  "getpeername4",
  "getpeername6",
  "post_bind4",
  "post_bind6",
  "recvmsg4",
  "recvmsg6",
  "sendmsg4",
  "sendmsg6",
];

async function restart(services: Partial<ServiceConfig>, devices = ["eth0"]): Promise<void> {
  await cluster.node(1).kill();
  await cluster.startNode(1, {
    objects: objects.path,
    devices,
    services: { ...plainServices, cgroupRoot: cgroups.first.path, ...services },
  });
}

/** Node 1's links whose name matches. */
function links(pattern: RegExp): Map<string, LinkInfo> {
  const directory = join(cluster.bpffs(1), "links");
  const names = readdirSync(directory).filter((name) => pattern.test(name));
  return new Map(
    names.toSorted().map((name) => {
      using link = withNetns(cluster.netns("node-1"), () => Link.fromPinned(join(directory, name)));
      return [name, link.info()];
    }),
  );
}

const socketLinks = (): Map<string, LinkInfo> => links(/^cgroup_/);
const xdpLinks = (): Map<string, LinkInfo> => links(/_xdp_/);

async function statusOf(pattern: RegExp): Promise<string[]> {
  return (await cluster.node(1).call("status")).filter((line) => pattern.test(line));
}

async function feature(name: string): Promise<string | undefined> {
  const features = await cluster.node(1).call("serviceFeatures");
  return features.find((line) => line.startsWith(`${name} `));
}

before(async () => {
  cgroups = {
    first: ended.use(new TestCgroup("first")),
    second: ended.use(new TestCgroup("second")),
  };
  objects = ended.use(objectsWithXdp(TestCluster.currentObjects));
  cluster = ended.use(await TestCluster.up({ routingMode: "native", objects: objects.path }));
  cluster.addBridge("node-1", "br0");
});
after(() => ended.disposeAsync());

describe("programs at sockets", () => {
  test("are in the node's cgroup, and are replaced there in place by the next agent", async () => {
    await restart({ socketLb: "all", bindProtection: true });
    const first = socketLinks();
    assert.deepEqual(
      [...first.keys()],
      socketHooks.map((hook) => `cgroup_${hook}`),
    );
    const { ino } = statSync(cgroups.first.path, { bigint: true });
    assert.ok([...first.values()].every(({ cgroupId }) => cgroupId === ino));
    assert.equal((await statusOf(/^ok link cgroup/)).length, 10);

    await restart({ socketLb: "host", bindProtection: true });
    const second = socketLinks();
    for (const [name, { id, programId }] of first) {
      assert.equal(second.get(name)?.id, id, `${name} is the same link`);
      assert.notEqual(second.get(name)?.programId, programId, `${name} runs the new program`);
    }
    assert.equal(
      await feature("socket-lb"),
      `socket-lb ok on: the node's own sockets, in ${cgroups.first.path}`,
    );
  });

  test("serve the processes in the cgroup; packets of others are balanced one by one", async () => {
    await restart({ socketLb: "all" });
    const pod = Address.parse(cluster.pod(3).ipv4);
    const server = cluster.peer(cluster.netns("pod-3"));
    await server.call("listen", 8080);
    const service = {
      backends: [backend(1, { address: pod })],
      sets: [backendSet(1, [1])],
      frontends: [frontend(1)],
    };
    await cluster.node(1).call("applyServices", putAll(service));
    const inside = cluster.peer(cluster.netns("pod-1"));
    cgroups.first.add(inside.pid);
    const outside = cluster.peer(cluster.netns("pod-2"));
    for (const peer of [inside, outside]) {
      const connection = await peer.call("connect", "10.96.0.1", 80);
      assert.match(await peer.call("exchange", connection, "hello"), / hello$/);
    }
    const flows = openMaps({ bpffs: cluster.bpffs(1) }).services.flows();
    const clients = flows.map(({ client }) => String(client));
    assert.deepEqual([...new Set(clients)], [cluster.pod(2).ipv4]);
    await cluster.node(1).call("applyServices", removeAll(service));
  });

  test("move to another cgroup when the node's is another", async () => {
    await restart({ socketLb: "all" });
    await restart({ socketLb: "all", cgroupRoot: cgroups.second.path });
    const { ino } = statSync(cgroups.second.path, { bigint: true });
    const infos = [...socketLinks().values()];
    assert.equal(infos.length, 8);
    assert.ok(infos.every(({ cgroupId }) => cgroupId === ino));
    assert.equal((await statusOf(/^ok link cgroup/)).length, 8);
  });

  test("are attached anew when their cgroup was removed meanwhile", async () => {
    using gone = new TestCgroup("gone");
    await restart({ socketLb: "all", cgroupRoot: gone.path });
    gone[Symbol.dispose]();
    assert.equal((await statusOf(/^BAD link cgroup connect4: not attached/)).length, 1);
    using _again = new TestCgroup("gone");
    await restart({ socketLb: "all", cgroupRoot: gone.path });
    assert.equal((await statusOf(/^ok link cgroup/)).length, 8);
    await restart({});
  });

  test("that are not asked for are taken off", async () => {
    await restart({ socketLb: "all", bindProtection: true });
    await restart({ socketLb: "none", bindProtection: true });
    assert.deepEqual([...socketLinks().keys()], ["cgroup_post_bind4", "cgroup_post_bind6"]);
    assert.equal(await feature("socket-lb"), "socket-lb ok off: off");
    await restart({ socketLb: "none" });
    assert.deepEqual([...socketLinks().keys()], []);
  });

  test("that the system has no place for are told of, and the node works without", async () => {
    await restart({ socketLb: "all" });
    await restart({ socketLb: "all", cgroupRoot: "/tmp" });
    assert.deepEqual([...socketLinks().keys()], []);
    assert.match(
      (await feature("socket-lb")) ?? "",
      /^socket-lb BAD off: packets are balanced instead: this kernel lacks cgroup v2, which came with Linux 4\.5: \/tmp is of another kind/,
    );
    assert.equal((await statusOf(/^BAD link cgroup/)).length, 8);
    assert.equal(await cluster.pingLoss(cluster.pod(1).netns, cluster.pod(3).ipv4, ["-c1"]), 0);
    await restart({ socketLb: "all", cgroupRoot: "/nonexistent" });
    assert.match((await feature("socket-lb")) ?? "", /BAD off: .*ENOENT/);
  });

  test("that keep node ports free have the kernel keep them free too", async () => {
    const reserved = "ipv4/ip_local_reserved_ports";
    cluster.sysctl("node-1", "ipv4/ip_local_port_range", "30000 60999");
    cluster.sysctl("node-1", reserved, "8080");
    await restart({ bindProtection: true });
    assert.equal(cluster.sysctl("node-1", reserved), "8080,30000-32767");
    await restart({ bindProtection: true });
    assert.equal(cluster.sysctl("node-1", reserved), "8080,30000-32767");
  });
});

describe("XDP", () => {
  test("is at the node's devices in the mode asked for, and is replaced in place", async () => {
    await restart({ nodePort: true, acceleration: "native" });
    const first = xdpLinks();
    assert.deepEqual([...first.keys()], ["eth0_xdp_native"]);
    assert.equal(xdpMode(), "xdp");
    await restart({ nodePort: true, acceleration: "best-effort" });
    const second = xdpLinks();
    assert.equal(second.get("eth0_xdp_native")?.id, first.get("eth0_xdp_native")?.id);
    assert.notEqual(
      second.get("eth0_xdp_native")?.programId,
      first.get("eth0_xdp_native")?.programId,
    );
    assert.deepEqual(await statusOf(/xdp/), ["ok link eth0 xdp: native"]);
    assert.equal(await feature("acceleration"), "acceleration ok on: XDP: eth0 native");
  });

  test("changes its mode, and goes when it is not asked for or there is nothing to do for it", async () => {
    await restart({ nodePort: true, acceleration: "native" });
    await restart({ nodePort: true, acceleration: "generic" });
    assert.deepEqual([...xdpLinks().keys()], ["eth0_xdp_generic"]);
    assert.equal(xdpMode(), "xdpgeneric");
    await restart({ nodePort: false, acceleration: "generic" });
    assert.deepEqual([...xdpLinks().keys()], []);
    assert.equal(xdpMode(), undefined);
    assert.equal(await feature("acceleration"), "acceleration ok off: off");
  });

  test("that a driver cannot do is told of; best-effort is content, native is not", async () => {
    const devices = ["eth0", "br0"];
    await restart({ nodePort: true, acceleration: "best-effort" }, devices);
    const [, bridge] = await statusOf(/xdp/);
    assert.match(bridge ?? "", /^ok link br0 xdp: none: attach of tsi_xdp .* EOPNOTSUPP/);
    assert.match(
      (await feature("acceleration")) ?? "",
      /^acceleration ok on: XDP: eth0 native, br0 attach/,
    );
    await restart({ nodePort: true, acceleration: "native" }, devices);
    assert.match((await statusOf(/xdp/))[1] ?? "", /^BAD link br0 xdp: none/);
    assert.match((await feature("acceleration")) ?? "", /^acceleration BAD on/);
    await restart({ nodePort: true, acceleration: "native" });
    assert.deepEqual([...xdpLinks().keys()], ["eth0_xdp_native"]);
  });
});

test("removal takes the programs off sockets and devices", async () => {
  await restart({ socketLb: "all", bindProtection: true, nodePort: true, acceleration: "native" });
  const attached = [...socketLinks().values(), ...xdpLinks().values()];
  assert.equal(attached.length, 11);
  await cluster.node(1).call("remove");
  assert.equal(xdpMode(), undefined);
  for (const { id } of attached)
    assert.throws(() => Link.fromId(id), { code: "ENOENT" }, `link ${id} is gone`);
});

/** As ip(8) names it. */
function xdpMode(): string | undefined {
  return /mtu \d+ (xdp\w*)/.exec(cluster.ip("node-1", "link", "show", "eth0"))?.[1];
}
