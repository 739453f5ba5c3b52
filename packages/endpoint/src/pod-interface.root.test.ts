// One node and one pod, as namespaces of this test alone:
//
//   tsit-PID-node: lxc... <====> eth0 :tsit-PID-pod
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { Address, Mac } from "@tsilium/net";
import { Rtnl } from "@tsilium/netlink";
import { ownNetnsCookie, withNetns } from "@tsilium/syscall";
import { netnsCookie } from "./netns.ts";
import { PodInterfaces, type PodInterfaceSpec, type PodNetwork } from "./pod-interface.ts";

const node = `tsit-${process.pid}-node`;
const pod = `tsit-${process.pid}-pod`;
const path = (name: string) => `/var/run/netns/${name}`;
const ip = (...args: string[]) => execFileSync("ip", args, { encoding: "utf8" });

const network = {
  gatewayIpv4: Address.parse("10.244.0.1"),
  gatewayIpv6: Address.parse("fd00:10:244::1"),
  deviceMtu: 1500,
  routeMtu: 1450,
};
const spec: PodInterfaceSpec = {
  interfaceName: "lxc0123456789ab",
  containerInterface: "eth0",
  netns: path(pod),
  mac: Mac.parse("02:00:00:00:00:02"),
  nodeMac: Mac.parse("02:00:00:00:00:01"),
  ipv4: Address.parse("10.244.0.7"),
  ipv6: Address.parse("fd00:10:244::7"),
};

before(() => {
  ip("netns", "add", node);
  ip("netns", "add", pod);
});
after(() => {
  ip("netns", "del", node);
  ip("netns", "del", pod);
});

/** Runs in the node's namespace, where the agent would be. */
function onNode<T>(action: (interfaces: PodInterfaces) => T, of: PodNetwork = network): T {
  return withNetns(path(node), () => {
    using interfaces = new PodInterfaces(of);
    return action(interfaces);
  });
}

function links(name: string): string[] {
  using rtnl = Rtnl.open({ netns: path(name) });
  return rtnl.links.list().map((link) => link.name);
}

test("a pod's interface has its addresses and routes at once, and goes with both ends", () => {
  const link = onNode((interfaces) => interfaces.create(spec));
  assert.equal(link.name, spec.interfaceName);
  assert.equal(link.mac?.toString(), "02:00:00:00:00:01");
  const found = onNode((interfaces) => interfaces.inspect(spec.netns, "eth0"));
  assert.equal(found?.mac?.toString(), "02:00:00:00:00:02");
  assert.ok(found?.up);
  const addresses = found.addresses.map(String).filter((address) => !address.startsWith("fe80"));
  assert.deepEqual(addresses, ["10.244.0.7/32", "fd00:10:244::7/128"]);
  const routes = (family: string) =>
    ip("-n", pod, family, "route", "list")
      .replace(/ (proto|metric|pref) \S+/g, "")
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line !== "" && !line.startsWith("fe80"));
  assert.deepEqual(routes("-4"), [
    "default via 10.244.0.1 dev eth0 mtu 1450",
    "10.244.0.1 dev eth0 scope link",
  ]);
  assert.deepEqual(routes("-6").toSorted(), [
    "default via fd00:10:244::1 dev eth0 mtu 1450",
    "fd00:10:244::1 dev eth0",
    "fd00:10:244::7 dev eth0",
  ]);
  assert.ok(onNode((interfaces) => interfaces.remove(spec.interfaceName)));
  assert.deepEqual([links(node), links(pod)], [["lo"], ["lo"]]);
  assert.equal(
    onNode((interfaces) => interfaces.remove(spec.interfaceName)),
    false,
  );
});

test("many interfaces are removed as fast as one, and those that are gone do not matter", async () => {
  const names = Array.from({ length: 50 }, (_, index) => `lxc${index}`);
  const started = withNetns(path(node), () => {
    const interfaces = new PodInterfaces(network);
    for (const [index, interfaceName] of names.entries())
      interfaces.create({
        ...spec,
        interfaceName,
        containerInterface: `eth${index}`,
        ipv4: undefined,
        ipv6: undefined,
      });
    interfaces.remove("lxc7");
    return { at: performance.now(), gone: names.map((name) => interfaces.removeTogether(name)) };
  });
  await Promise.all(started.gone);
  const elapsedMs = performance.now() - started.at;
  assert.deepEqual([links(node), links(pod)], [["lo"], ["lo"]]);
  assert.ok(elapsedMs < 500, `${elapsedMs} ms`);
});

test("an address is usable at once, without duplicate address detection", () => {
  onNode((interfaces) => interfaces.create(spec));
  assert.doesNotMatch(
    ip("-n", pod, "-6", "address", "list", "dev", "eth0", "scope", "global"),
    /tentative/,
  );
  onNode((interfaces) => interfaces.remove(spec.interfaceName));
});

test("a pod without IPv6 has none, also where new devices have it switched off", () => {
  withNetns(path(pod), () => writeFileSync("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1"));
  const ipv4Only = { ...network, gatewayIpv6: undefined };
  onNode((interfaces) => interfaces.create({ ...spec, ipv6: undefined }), ipv4Only);
  assert.equal(ip("-n", pod, "-6", "address", "list", "dev", "eth0"), "");
  onNode((interfaces) => interfaces.remove(spec.interfaceName));
  withNetns(path(pod), () => writeFileSync("/proc/sys/net/ipv6/conf/default/disable_ipv6", "0"));
});

test("what an unfinished ADD of the same attachment left is replaced", () => {
  ip("-n", node, "link", "add", spec.interfaceName, "type", "veth", "peer", "name", "left");
  onNode((interfaces) => interfaces.create(spec));
  assert.deepEqual(links(node), ["lo", spec.interfaceName]);
  onNode((interfaces) => interfaces.remove(spec.interfaceName));
});

test("an interface of the container's name is not touched", () => {
  ip("-n", pod, "link", "add", "eth0", "type", "veth", "peer", "name", "other");
  assert.throws(() => onNode((interfaces) => interfaces.create(spec)), {
    code: "interface_exists",
  });
  assert.deepEqual([links(node), links(pod)], [["lo"], ["lo", "other", "eth0"]]);
  ip("-n", pod, "link", "del", "eth0");
});

test("a failure half way leaves neither end behind, nor an open descriptor", () => {
  const before = readdirSync("/proc/self/fd").length;
  // The gateway's route cannot be made twice: the second address is refused after the first is in place.
  const impossible = { ...network, gatewayIpv6: network.gatewayIpv4 };
  withNetns(path(node), () => {
    using interfaces = new PodInterfaces(impossible);
    assert.throws(() => interfaces.create(spec), { code: "kernel_refused" });
  });
  assert.deepEqual([links(node), links(pod)], [["lo"], ["lo"]]);
  assert.equal(readdirSync("/proc/self/fd").length, before);
});

const rows: readonly (readonly [string, string, string])[] = [
  ["that is gone", "/var/run/netns/nowhere", "netns_gone"],
  ["that is a file", "/etc/hosts", "netns_invalid"],
  ["that is the node's own", path(node), "netns_invalid"],
  ["that is of another kind", "/proc/self/ns/mnt", "netns_invalid"],
];
for (const [what, netns, code] of rows) {
  test(`a namespace ${what} is refused as ${code}`, () => {
    assert.throws(() => onNode((interfaces) => interfaces.create({ ...spec, netns })), { code });
    assert.deepEqual(links(node), ["lo"]);
  });
}

test("a namespace has one cookie, whoever asks, and no two have the same", () => {
  const ofPod = onNode(() => netnsCookie(path(pod)));
  assert.equal(withNetns(path(pod), ownNetnsCookie), ofPod);
  assert.equal(new Set([ofPod, netnsCookie(path(node)), ownNetnsCookie(), 0n]).size, 4);
  assert.throws(() => onNode(() => netnsCookie(path(node))), { code: "netns_invalid" });
});

test("two hundred pairs take less than a second to make", () => {
  const startedAt = performance.now();
  onNode((interfaces) => {
    for (let index = 0; index < 200; index++) {
      interfaces.create({
        ...spec,
        interfaceName: `lxc${index}`,
        containerInterface: `eth${index}`,
        ipv4: undefined,
        ipv6: undefined,
      });
    }
  });
  const elapsedMs = performance.now() - startedAt;
  assert.ok(elapsedMs < 1000, `${elapsedMs} ms`);
});
