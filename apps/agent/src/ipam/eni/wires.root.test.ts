// Interfaces and rules in a network namespace of the test's own.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Address, Mac, Prefix } from "@tsilium/net";
import { mainTable } from "@tsilium/netlink";
import { Netns } from "@tsilium/testkit";
import type { EniInterface } from "./interfaces.ts";
import { RuleKeeper } from "./rule-keeper.ts";
import { deviceOf, prepareInterface, raiseInterface, rulesOf } from "./wires.ts";

const mac = Mac.parse("06:00:00:00:00:01");

const eni: EniInterface = {
  id: "eni-1",
  mac,
  number: 1,
  primary: Address.parse("100.64.1.4"),
  subnet: Prefix.parse("100.64.1.0/24"),
  gateway: Address.parse("100.64.1.1"),
  vpcCidrs: [Prefix.parse("10.0.0.0/16"), Prefix.parse("100.64.0.0/16")],
};

function withNode(body: (node: Netns) => void): void {
  using node = Netns.create(`tsi-eni-${process.pid}`);
  node.rtnl.links.add({ name: "ens6", mac, kind: { type: "veth", peer: { name: "vpc" } } });
  body(node);
}

test("an interface is found by its MAC, has its own address before it goes up, and a table of its own", () => {
  withNode((node) => {
    const { rtnl } = node;
    const find = () => deviceOf(rtnl.links.list(), eni);
    assert.equal(find()?.name, "ens6");
    assert.equal(deviceOf(rtnl.links.list(), { mac: Mac.parse("06:00:00:00:00:02") }), undefined);
    for (let again = 0; again < 2; again++) {
      const link = find();
      assert.ok(link);
      prepareInterface(rtnl, eni, { link, hasOwn: true, mtu: 9001 });
      assert.deepEqual([find()?.up, find()?.mtu], [again === 1, 9001]);
      raiseInterface(rtnl, eni, link);
    }
    assert.equal(find()?.up, true);
    const addresses = rtnl.addresses
      .list({ device: "ens6" })
      .filter(({ address }) => address.family === 4);
    assert.deepEqual(
      addresses.map(({ address, length }) => `${address}/${length}`),
      ["100.64.1.4/32"],
    );
    const routes = () =>
      rtnl.routes
        .list({ family: 4, table: 11 })
        .map(({ destination, gateway }) => `${destination} ${gateway ?? "link"}`)
        .toSorted();
    const both = ["0.0.0.0/0 100.64.1.1", "100.64.1.1/32 link"];
    assert.deepEqual(routes(), both);
    // The kernel takes the other with it, or does not.
    rtnl.routes.delete({ destination: Prefix.parse("100.64.1.1/32"), table: 11 });
    const link = find();
    assert.ok(link);
    raiseInterface(rtnl, eni, link);
    assert.deepEqual(routes(), both);
  });
});

test("an interface whose own address is a pod's does not have it", () => {
  withNode((node) => {
    const link = deviceOf(node.rtnl.links.list(), eni);
    assert.ok(link);
    prepareInterface(node.rtnl, eni, { link, hasOwn: false });
    raiseInterface(node.rtnl, eni, link);
    const own = node.rtnl.addresses.list({ device: "ens6" });
    assert.ok(!own.some(({ address }) => address.equals(eni.primary)));
  });
});

test("rules are those of addresses in use, also after another agent; others' rules stay", () => {
  withNode(({ rtnl }) => {
    const pods = ["100.64.1.9", "100.64.1.10"].map((text) =>
      rulesOf(Address.parse(text), eni, true),
    );
    const foreign = {
      family: 4,
      priority: 111,
      source: Prefix.parse("100.64.1.99/32"),
      table: 11,
    } as const;
    rtnl.rules.add(foreign);
    const own = () =>
      rtnl.rules
        .list(4)
        .filter(({ priority }) => priority === 20 || priority === 111)
        .map(({ source, destination }) => `${source ?? "all"} ${destination ?? "all"}`)
        .toSorted();
    new RuleKeeper(rtnl).set(pods.flat());
    assert.equal(own().length, 7);
    const next = new RuleKeeper(rtnl);
    next.set(pods[1] ?? []);
    assert.deepEqual(own(), [
      "100.64.1.10/32 10.0.0.0/16",
      "100.64.1.10/32 100.64.0.0/16",
      "100.64.1.99/32 all",
      "all 100.64.1.10/32",
    ]);
    // By hand, behind its back.
    rtnl.rules.delete({
      family: 4,
      priority: 20,
      destination: Prefix.parse("100.64.1.10/32"),
      table: mainTable,
    });
    next.forget();
    next.set(pods[1] ?? []);
    assert.equal(own().length, 4);
    next.set([]);
    assert.deepEqual(own(), ["100.64.1.99/32 all"]);
  });
});
