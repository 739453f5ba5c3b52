// Against the real kernel, in namespaces of the test's own:
//
//   one  v0 10.7.0.1/24, fd07::1/64 ---- v1  two
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { Address, Mac, Prefix } from "@tsilium/net";
import { Topology } from "@tsilium/testkit";
import { monitor, Rtnl, type RtnlEvent } from "./index.ts";

function wired(topology: Topology) {
  const one = topology.netns("one");
  const two = topology.netns("two");
  topology.wire(
    { netns: one, device: "v0", addresses: ["10.7.0.1/24", "fd07::1/64"] },
    { netns: two, device: "v1" },
  );
  return { one, two };
}

test("links are made, found, changed and deleted; deleting what is gone is false", () => {
  using topology = new Topology();
  const { rtnl } = topology.netns("one");
  const mac = Mac.random();
  rtnl.links.add({ name: "br0", kind: { type: "bridge", multicastSnooping: false }, up: true });
  rtnl.links.add({
    name: "v0",
    kind: { type: "veth", peer: { name: "v1", mac } },
    addrGenMode: "none",
    up: true,
    mtu: 1400,
  });
  rtnl.links.add({
    name: "vx0",
    kind: {
      type: "vxlan",
      collectMetadata: true,
      port: 8472,
      learning: false,
      zeroChecksum6Receive: true,
    },
  });
  assert.deepEqual(
    rtnl.links
      .list()
      .map(({ name, kind }) => `${name} ${kind?.type}`)
      .sort(),
    ["br0 bridge", "lo undefined", "v0 veth", "v1 veth", "vx0 vxlan"],
  );
  const v0 = rtnl.links.get("v0");
  assert.deepEqual([v0?.mtu, v0?.up, v0?.running, v0?.addrGenMode], [1400, true, false, "none"]);
  assert.ok(rtnl.links.get("v1")?.mac?.equals(mac));
  const { kind } = rtnl.links.get("vx0") ?? {};
  assert.ok(kind?.type === "vxlan" && kind.collectMetadata && kind.port === 8472 && !kind.learning);

  rtnl.links.set("v1", { name: "port", master: "br0", up: true });
  assert.equal(rtnl.links.get("port")?.master, rtnl.links.index("br0"));
  rtnl.links.set("port", { master: null });
  assert.equal(rtnl.links.get("port")?.master, undefined);

  assert.throws(() => rtnl.links.add({ name: "br0", kind: { type: "bridge" } }), {
    name: "NetlinkError",
    code: "EEXIST",
    request: "add link br0",
  });
  assert.throws(() => rtnl.links.set("nowhere", { up: true }), { code: "ENODEV" });
  assert.equal(rtnl.links.get("nowhere"), undefined);
  assert.equal(rtnl.links.delete("v0"), true);
  assert.equal(rtnl.links.delete("v0"), false);
  assert.equal(rtnl.links.get("port"), undefined, "a veth's peer goes with it");
});

test("the links of a group are deleted in about the time of one", () => {
  using topology = new Topology();
  const { rtnl } = topology.netns("one");
  const kind = { type: "veth" } as const;
  for (let number = 0; number < 32; number++)
    rtnl.links.add({ name: `v${number}`, kind, group: 7 });
  rtnl.links.add({ name: "stays", kind: { type: "bridge" } });
  const startedAt = performance.now();
  assert.equal(rtnl.links.deleteGroup(7), true);
  assert.ok(performance.now() - startedAt < 32 * 10, "one wait, not 32");
  assert.deepEqual(
    rtnl.links.list().map(({ name }) => name),
    ["lo", "stays"],
  );
  assert.equal(rtnl.links.deleteGroup(7), false);
});

test("addresses, routes, neighbours and rules of both families come and go", () => {
  using topology = new Topology();
  const { rtnl } = wired(topology).one;
  const families = [
    {
      subnet: "10.7.0.1/24",
      address: "10.7.0.1",
      other: "10.7.0.9",
      to: "10.8.0.0/16",
      inside: "10.8.1.1",
      family: 4,
    },
    {
      subnet: "fd07::1/64",
      address: "fd07::1",
      other: "fd07::9",
      to: "fd08::/16",
      inside: "fd08::1",
      family: 6,
    },
  ] as const;
  for (const { address, other, to, inside, family } of families) {
    const [row] = rtnl.addresses.list({ device: "v0", family });
    assert.equal(`${row?.address} ${row?.tentative}`, `${address} false`);
    const own = { device: "v0", address: Address.parse(other) };
    rtnl.addresses.add(own);
    assert.throws(() => rtnl.addresses.add(own), { code: "EEXIST" });
    rtnl.addresses.replace(own);
    assert.deepEqual([rtnl.addresses.delete(own), rtnl.addresses.delete(own)], [true, false]);

    const route = {
      destination: Prefix.parse(to, { mask: true }),
      gateway: Address.parse(other),
    };
    rtnl.routes.add({ ...route, mtu: 1300 });
    rtnl.routes.replace({ ...route, mtu: 1280 });
    assert.equal(rtnl.routes.lookup(Address.parse(inside))?.mtu, 1280);
    assert.equal(
      rtnl.routes.list({ family, table: 254 }).filter(({ gateway }) => gateway).length,
      1,
    );
    assert.deepEqual([rtnl.routes.delete(route), rtnl.routes.delete(route)], [true, false]);
    assert.equal(rtnl.routes.lookup(Address.parse(inside)), undefined);

    const neighbour = { device: "v0", address: Address.parse(other), mac: Mac.random() };
    rtnl.neighbours.replace(neighbour);
    const [found] = rtnl.neighbours
      .list({ device: "v0", family })
      .filter(({ state }) => state === "permanent");
    assert.ok(found?.mac?.equals(neighbour.mac));
    assert.deepEqual(
      [rtnl.neighbours.delete(neighbour), rtnl.neighbours.delete(neighbour)],
      [true, false],
    );

    const rule = { family, priority: 9, table: 2004, mark: 0x200, markMask: 0xf00 };
    assert.deepEqual([rtnl.rules.ensure(rule), rtnl.rules.ensure(rule)], [true, false]);
    assert.ok(
      rtnl.rules
        .list(family)
        .some(
          ({ table, mark, markMask }) => table === 2004 && mark === 0x200 && markMask === 0xf00,
        ),
    );
    assert.deepEqual([rtnl.rules.delete(rule), rtnl.rules.delete(rule)], [true, false]);
  }
  assert.throws(
    () =>
      rtnl.routes.add({
        destination: Prefix.parse("10.9.0.0/16"),
        gateway: Address.parse("99.0.0.1"),
      }),
    /ENETUNREACH \(.*gateway/,
    "the kernel's own words are in the message",
  );
});

test("an IPv4 route may go through an IPv6 gateway", () => {
  using topology = new Topology();
  const { rtnl } = wired(topology).one;
  rtnl.routes.add({
    destination: Prefix.parse("0.0.0.0/0"),
    gateway: Address.parse("fd07::2"),
    device: "v0",
  });
  assert.equal(`${rtnl.routes.lookup(Address.parse("8.8.8.8"))?.gateway}`, "fd07::2");
});

test("a batch carries out everything, then throws the first failure", () => {
  using topology = new Topology();
  const { rtnl } = wired(topology).one;
  const host = (number: number) => Prefix.host(Address.parse("10.66.0.0").add(number));
  assert.throws(
    () =>
      rtnl.batch(({ routes, links }) => {
        for (let number = 0; number < 120; number++)
          routes.add({ destination: host(number), device: "v0" });
        routes.add({ destination: host(7), device: "v0" });
        links.delete("nowhere");
        for (let number = 120; number < 200; number++)
          routes.add({ destination: host(number), device: "v0" });
      }),
    { code: "EEXIST", request: "add route 10.66.0.7/32 on v0" },
  );
  const made = rtnl.routes
    .list({ family: 4, device: "v0" })
    .filter(({ destination }) => destination.isHost);
  assert.equal(
    made.filter(({ destination }) => Prefix.parse("10.66.0.0/16").contains(destination)).length,
    200,
  );
});

test("clsact is there once however often it is asked for", () => {
  using topology = new Topology();
  const { rtnl } = wired(topology).one;
  rtnl.qdiscs.ensureClsact("v0");
  rtnl.qdiscs.ensureClsact("v0");
  assert.equal(rtnl.qdiscs.list().filter(({ kind }) => kind === "clsact").length, 1);
  const index = rtnl.links.index("v0");
  assert.deepEqual(
    [rtnl.qdiscs.deleteClsact(index), rtnl.qdiscs.deleteClsact(index)],
    [true, false],
  );
});

test("the monitor tells what happens from the call on, and ends with its signal", async () => {
  using topology = new Topology();
  const { path, rtnl } = topology.netns("one");
  const abort = new AbortController();
  const batches = monitor({
    signal: abort.signal,
    netns: path,
    kinds: ["link", "address", "route"],
  });
  rtnl.links.add({ name: "v0", kind: { type: "veth" }, up: true });
  rtnl.addresses.add({ device: "v0", address: Address.parse("10.7.0.1"), length: 24 });
  rtnl.links.delete("v0");
  const seen: string[] = [];
  const isLast = (event: RtnlEvent) =>
    event.kind === "link" && event.event === "delete" && event.row.name === "v0";
  for await (const batch of batches) {
    for (const event of batch)
      if (event.kind !== "lost")
        seen.push(`${event.event} ${event.kind} ${event.kind === "link" ? event.row.name : ""}`);
    if (batch.some(isLast)) abort.abort();
  }
  for (const expected of [
    "upsert link v0",
    "upsert address ",
    "upsert route ",
    "delete address ",
    "delete link v0",
  ])
    assert.ok(seen.includes(expected), `${expected} not in ${seen}`);
});

test("opening, listening and closing leave no descriptor behind", () => {
  using topology = new Topology();
  const { path } = topology.netns("one");
  const count = () => readdirSync("/proc/self/fd").length;
  const before = count();
  for (let round = 0; round < 20; round++) {
    Rtnl.open({ netns: path })[Symbol.dispose]();
    const abort = new AbortController();
    monitor({ signal: abort.signal, netns: path });
    abort.abort();
  }
  assert.equal(count(), before);
});
