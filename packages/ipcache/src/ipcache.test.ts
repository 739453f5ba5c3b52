import assert from "node:assert/strict";
import { test } from "node:test";
import { Address, Prefix } from "@tsilium/net";
import { type Random, repeat } from "@tsilium/testkit";
import { Ipcache } from "./ipcache.ts";
import { ownerHash, ownerOf } from "./owner.ts";
import { type IpcacheClaim, type IpcacheSource, sourcePrecedence } from "./model.ts";

const claim = (
  prefix: string,
  source: IpcacheSource,
  owner: string,
  identity: number,
): IpcacheClaim => ({
  prefix: Prefix.parse(prefix),
  source,
  owner,
  identity,
  hostIp: undefined,
});
const show = (ipcache: Ipcache) =>
  [...ipcache.table.values()]
    .map((row) => `${row.prefix} ${row.identity} ${row.source} ${row.owner} of ${row.claims}`)
    .sort();

test("the strongest source wins, whatever came last", () => {
  const ipcache = new Ipcache();
  ipcache.claim(claim("10.0.0.1/32", "local", "endpoint/1", 300));
  ipcache.claim(claim("10.0.0.1/32", "custom-resource", "ciliumendpoint/a/b", 400));
  assert.deepEqual(show(ipcache), ["10.0.0.1/32 300 local endpoint/1 of 2"]);
  ipcache.withdraw(Prefix.parse("10.0.0.1/32"), "local", "endpoint/1");
  assert.deepEqual(show(ipcache), ["10.0.0.1/32 400 custom-resource ciliumendpoint/a/b of 1"]);
});

test("what names make of an address gives way to whoever of the cluster has it, and stays the world's", () => {
  const ipcache = new Ipcache();
  const byName = claim("203.0.113.1/32", "fqdn", "fqdn/a.test", 0x0100_0001);
  ipcache.claim(byName);
  assert.equal(ownerOf(byName), "world");
  for (const source of sourcePrecedence.slice(0, sourcePrecedence.indexOf("fqdn"))) {
    ipcache.claim(claim("203.0.113.1/32", source, "node/node-2", 300));
    assert.deepEqual(show(ipcache), [`203.0.113.1/32 300 ${source} node/node-2 of 2`]);
    ipcache.withdraw(Prefix.parse("203.0.113.1/32"), source, "node/node-2");
  }
  ipcache.claim(claim("203.0.113.1/32", "restored", "kernel", 300));
  assert.deepEqual(show(ipcache), ["203.0.113.1/32 16777217 fqdn fqdn/a.test of 2"]);
});

test("an address that goes from one pod to the next belongs to the later claim, and stays there", () => {
  const ipcache = new Ipcache();
  ipcache.claim(claim("10.0.0.1/32", "custom-resource", "old", 300));
  ipcache.claim(claim("10.0.0.1/32", "custom-resource", "new", 400));
  ipcache.claim(claim("10.0.0.1/32", "custom-resource", "old", 300)); // a resync says nothing new
  assert.deepEqual(show(ipcache), ["10.0.0.1/32 400 custom-resource new of 2"]);
  assert.equal(ipcache.withdraw(Prefix.parse("10.0.0.1/32"), "custom-resource", "old"), true);
  assert.deepEqual(show(ipcache), ["10.0.0.1/32 400 custom-resource new of 1"]);
});

test("saying the same again is no change, and taking back what was never claimed neither", () => {
  const ipcache = new Ipcache();
  ipcache.claim(claim("10.0.0.1/32", "local", "endpoint/1", 300));
  const { revision } = ipcache.table;
  ipcache.claim(claim("10.0.0.1/32", "local", "endpoint/1", 300));
  assert.equal(ipcache.withdraw(Prefix.parse("10.0.0.1/32"), "local", "endpoint/2"), false);
  assert.equal(ipcache.table.revision, revision);
});

test("IP recycled pod->node: the node has it, however often the pod's object is heard of again", () => {
  const ipcache = new Ipcache();
  const stale = claim("172.18.0.3/32", "custom-resource", "ciliumendpoint/shop/cart", 300);
  const pod = { ...stale, namespace: "shop", podName: "cart" };
  ipcache.claim(pod);
  ipcache.claim(claim("172.18.0.3/32", "custom-resource", "node/node-2", 6));
  ipcache.claim({ ...pod, ownerUid: "of a relist" });
  assert.deepEqual(show(ipcache), ["172.18.0.3/32 6 custom-resource node/node-2 of 2"]);
  assert.deepEqual(
    ipcache
      .explain(Address.parse("172.18.0.3"))
      .map(({ identity, lostTo }) => `${identity} ${lostTo}`),
    ["6 undefined", "300 a node has it"],
  );
  ipcache.withdraw(pod.prefix, pod.source, pod.owner);
  assert.deepEqual(show(ipcache), ["172.18.0.3/32 6 custom-resource node/node-2 of 1"]);
});

test("an address that another pod of the same name and identity takes over is told of", () => {
  const ipcache = new Ipcache();
  const cart = {
    ...claim("10.0.0.1/32", "custom-resource", "ciliumendpoint/shop/cart", 300),
    namespace: "shop",
    podName: "cart",
  };
  const told: string[] = [];
  ipcache.table.subscribe(({ row }) => void told.push(ownerOf(row)));
  for (const ownerUid of ["uid-1", "uid-2", "uid-2"]) ipcache.claim({ ...cart, ownerUid });
  assert.deepEqual(told, ["shop/cart/uid-1", "shop/cart/uid-2"]);
});

test("a pod's owner text is the same on its own node and on others, and its number is never 0", () => {
  const pod = { namespace: "shop", podName: "cart", ownerUid: "uid-1" };
  const here = { ...claim("10.0.0.1/32", "local", "endpoint/7", 300), ...pod };
  const there = {
    ...claim("10.0.0.1/32", "custom-resource", "ciliumendpoint/shop/cart", 300),
    ...pod,
  };
  assert.equal(ownerOf(here), ownerOf(there));
  assert.equal(ownerOf(claim("10.0.0.1/32", "local", "node/node-2", 6)), "node/node-2");
  const numbers = ["", "shop/cart/uid-1", "shop/cart/uid-2"].map(ownerHash);
  assert.ok(numbers.every((number) => number > 0 && number < 2 ** 32));
  assert.equal(new Set(numbers).size, 3);
});

test("a source that is taken back whole leaves what others say", () => {
  const ipcache = new Ipcache();
  ipcache.claim(claim("10.0.0.1/32", "restored", "kernel", 300));
  ipcache.claim(claim("10.0.0.2/32", "restored", "kernel", 301));
  ipcache.claim(claim("10.0.0.2/32", "local", "endpoint/1", 301));
  assert.equal(ipcache.withdrawSource("restored"), 2);
  assert.deepEqual(show(ipcache), ["10.0.0.2/32 301 local endpoint/1 of 1"]);
});

test("an explanation names every claim around an address and why it loses", () => {
  const ipcache = new Ipcache();
  ipcache.claim(claim("10.0.0.0/24", "generated", "node/node-2", 2));
  ipcache.claim(claim("10.0.0.1/32", "custom-resource", "old", 300));
  ipcache.claim(claim("10.0.0.1/32", "custom-resource", "new", 400));
  ipcache.claim(claim("10.0.0.1/32", "restored", "kernel", 500));
  ipcache.claim(claim("10.0.1.0/24", "generated", "node/node-3", 2));
  assert.deepEqual(
    ipcache
      .explain(Address.parse("10.0.0.1"))
      .map(({ prefix, identity, lostTo }) => `${prefix} ${identity}: ${lostTo ?? "wins"}`),
    [
      "10.0.0.1/32 400: wins",
      "10.0.0.1/32 300: a later claim of the same source",
      "10.0.0.1/32 500: a stronger source",
      "10.0.0.0/24 2: a longer prefix",
    ],
  );
  assert.deepEqual(ipcache.explain(Address.parse("fd00::1")), []);
});

/** The slow, obvious twin: a list of claims in order of arrival, searched whole each time. */
class NaiveIpcache {
  #claims: IpcacheClaim[] = [];

  claim(next: IpcacheClaim): void {
    const same = (other: IpcacheClaim) =>
      other.prefix.equals(next.prefix) &&
      other.source === next.source &&
      other.owner === next.owner;
    if (this.#claims.some((other) => same(other) && other.identity === next.identity)) return;
    this.#claims = [...this.#claims.filter((other) => !same(other)), next];
  }

  withdraw(prefix: Prefix, source: IpcacheSource, owner: string): void {
    this.#claims = this.#claims.filter(
      (other) => !(other.prefix.equals(prefix) && other.source === source && other.owner === owner),
    );
  }

  lookup(address: Address): IpcacheClaim | undefined {
    let best: IpcacheClaim | undefined;
    const strength = ({ prefix, source }: IpcacheClaim) =>
      prefix.length * 10 - sourcePrecedence.indexOf(source);
    for (const next of this.#claims)
      if (next.prefix.contains(address) && (!best || strength(next) >= strength(best))) best = next;
    return best;
  }
}

const randomClaim = (random: Random): IpcacheClaim => {
  const family = random.pick([4, 6] as const);
  const host = `${family === 4 ? "10.0.0." : "fd00::"}${random.below(4)}`;
  const length = random.pick(family === 4 ? [8, 24, 31, 32] : [16, 64, 127, 128]);
  return {
    prefix: Prefix.of(Address.parse(host), length, { mask: true }),
    source: random.pick(sourcePrecedence),
    owner: random.pick(["a", "b", "c"]),
    identity: 256 + random.below(3),
    hostIp: undefined,
  };
};

test("the winner equals the naive twin's after any sequence of claims and withdrawals", () => {
  repeat({ runs: 200 }, (random) => {
    const ipcache = new Ipcache();
    const naive = new NaiveIpcache();
    for (let step = 0; step < 60; step++) {
      const next = randomClaim(random);
      if (random.chance(0.6)) {
        ipcache.claim(next);
        naive.claim(next);
      } else {
        ipcache.withdraw(next.prefix, next.source, next.owner);
        naive.withdraw(next.prefix, next.source, next.owner);
      }
      const address = next.prefix.nth(0);
      const expected = naive.lookup(address);
      const found = ipcache.lookup(address);
      assert.equal(found?.identity, expected?.identity);
      assert.equal(found?.owner, expected?.owner);
      assert.equal(ipcache.explain(address)[0]?.owner, expected?.owner);
    }
  });
});
