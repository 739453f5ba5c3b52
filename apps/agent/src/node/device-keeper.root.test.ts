// Interfaces in a network namespace of the test's own; what the datapath does with them is devices.root.test.ts there.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Address } from "@tsilium/net";
import { createLog } from "@tsilium/runtime";
import { Netns } from "@tsilium/testkit";
import { DeviceKeeper } from "./device-keeper.ts";

/** Remembers where it was told to be; refuses while it is told to. */
class Places {
  devices: readonly string[];
  isRefusing = false;
  readonly #waiting: (() => void)[] = [];

  constructor(devices: readonly string[]) {
    this.devices = devices;
  }

  useDevices(names: readonly string[]): boolean {
    if (this.isRefusing) throw new Error("the kernel will not");
    const isNews = names.join() !== this.devices.join();
    this.devices = names;
    for (const wake of this.#waiting.splice(0)) wake();
    return isNews;
  }

  async until(expected: string): Promise<void> {
    const deadline = AbortSignal.timeout(5_000);
    while (this.devices.join(" ") !== expected) {
      assert.ok(!deadline.aborted, `at ${this.devices.join(" ")}, not at ${expected}`);
      await Promise.race([new Promise<void>((resolve) => this.#waiting.push(resolve)), sleep(50)]);
    }
  }
}

type Given = { readonly node: Netns; readonly places: Places; readonly keeper: DeviceKeeper };

async function withKeeper(
  options: { readonly patterns: readonly string[]; readonly more?: readonly string[] },
  body: (given: Given) => Promise<void>,
): Promise<void> {
  using node = Netns.create(`tsi-devices-${process.pid}`);
  addLink(node, "eth0");
  node.addAddress("eth0", "172.18.0.2/24");
  const places = new Places(["eth0"]);
  using keeper = node.run(() =>
    DeviceKeeper.follow({
      more: [],
      ...options,
      nodeAddresses: [Address.parse("172.18.0.2")],
      datapath: places,
      mtu: 1500,
      log: createLog({ level: "fatal" }),
    }),
  );
  await body({ node, places, keeper });
}

function addLink(node: Netns, name: string): void {
  node.rtnl.links.add({ name, kind: { type: "veth", peer: { name: `${name}p` } }, up: true });
}

test("what a pattern means is taken up as it appears, and let go when it is gone or has another name", () =>
  withKeeper({ patterns: ["eth+", "!eth9"] }, async ({ node, places, keeper }) => {
    // Ends of the pairs are named so too.
    await places.until("eth0p eth0");
    for (const name of ["eth1", "ens5", "eth9", "lxc0"]) addLink(node, name);
    await places.until("eth0p eth0 eth1p eth1 eth9p");
    node.rtnl.links.delete("eth1");
    await places.until("eth0p eth0 eth9p");
    node.rtnl.links.set("eth9p", { up: false });
    node.rtnl.links.set("eth9p", { name: "other" });
    await places.until("eth0p eth0");
    assert.deepEqual(keeper.health(), { state: "ok", message: "eth0p, eth0" });
  }));

test("one that is named and not there is missed, until it appears", () =>
  withKeeper({ patterns: ["eth0", "bond0"] }, async ({ node, places, keeper }) => {
    assert.deepEqual(keeper.health(), { state: "degraded", message: "eth0; not there: bond0" });
    addLink(node, "bond0");
    await places.until("eth0 bond0");
    assert.equal(keeper.health().state, "ok");
  }));

test("where the node's address goes the datapath goes, and stays where it was", () =>
  withKeeper({ patterns: [] }, async ({ node, places, keeper }) => {
    addLink(node, "bond0");
    node.rtnl.addresses.delete({
      device: "eth0",
      address: Address.parse("172.18.0.2"),
      length: 24,
    });
    node.addAddress("bond0", "172.18.0.2/24");
    await places.until("eth0 bond0");
    node.rtnl.links.delete("bond0");
    await places.until("eth0");
    node.rtnl.links.delete("eth0");
    for (let tries = 0; keeper.health().state === "ok" && tries < 100; tries++) await sleep(20);
    assert.match(keeper.health().message, /no device faces the underlay any more/);
    addLink(node, "eth0");
    await places.until("eth0");
    for (let tries = 0; keeper.health().state !== "ok" && tries < 100; tries++) await sleep(20);
    assert.equal(keeper.health().state, "ok");
  }));

test("what others need is used at once, and tried again when the kernel will not", () =>
  withKeeper({ patterns: ["eth0"] }, async ({ node, places, keeper }) => {
    addLink(node, "ens6");
    keeper.useMore(["ens6", "ens7"]);
    assert.deepEqual(places.devices, ["eth0", "ens6"]);
    places.isRefusing = true;
    assert.throws(() => keeper.useMore(["ens6", "ens6p"]), /will not/);
    node.rtnl.links.set("ens6", { up: false });
    for (let tries = 0; keeper.health().state === "ok" && tries < 100; tries++) await sleep(20);
    assert.match(keeper.health().message, /the kernel will not/);
    places.isRefusing = false;
    await places.until("eth0 ens6p ens6");
  }));
