import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { Address, Prefix } from "@tsilium/net";
import { localScopes } from "@tsilium/identity/model.ts";
import { ownerOf } from "@tsilium/ipcache";
import { TestNames, turns } from "./testing/names.ts";

const a4 = "203.0.113.1";
const a6 = "2001:db8::1";

test("addresses of a name have one identity for each family, local, with the selector and the world", async () => {
  using names = new TestNames();
  names.engine.setSelectors([{ matchName: "a.test" }]);
  names.answer("a.test", [a4, a6, "203.0.113.2"]);
  await turns();
  assert.deepEqual(names.claims(), [
    `${a6} fqdn:a.test,reserved:world-ipv6`,
    `${a4} fqdn:a.test,reserved:world-ipv4`,
    "203.0.113.2 fqdn:a.test,reserved:world-ipv4",
  ]);
  const ids = [...names.ipcache.table.values()].map(({ identity }) => identity);
  assert.equal(new Set(ids).size, 2);
  assert.ok(ids.every((id) => id >>> 24 === localScopes.external >>> 24));
});

test("with one family the world is the world, and addresses of the other are nobody's", async () => {
  using names = new TestNames({ families: [4] });
  names.engine.setSelectors([{ matchName: "a.test" }]);
  names.answer("a.test", [a4, a6]);
  await turns();
  assert.deepEqual(names.claims(), [`${a4} fqdn:a.test,reserved:world`]);
});

test("an address that gets a name or loses it stays the world's to connections", async () => {
  using names = new TestNames();
  names.engine.setSelectors([{ matchName: "a.test" }]);
  names.answer("a.test", [a4]);
  await turns();
  const row = names.ipcache.lookup(Address.parse(a4));
  assert.equal(row?.owner, "fqdn/a.test");
  assert.equal(row && ownerOf(row), "world");
});

test("an answer waits until the kernel has its addresses, one that brings nothing new does not", async () => {
  using names = new TestNames();
  names.engine.setSelectors([{ matchName: "a.test" }]);
  await turns();
  names.policy.isQuick = false;
  names.answer("a.test", [a4], { id: 7 });
  names.answer("a.test", [a4], { id: 8 });
  names.answer("other.example", ["203.0.113.9"], { id: 9 });
  await turns();
  assert.deepEqual(names.released, [9]);
  await names.policy.place();
  assert.deepEqual(names.released, [9, 7, 8]);
  names.answer("a.test", [a4], { id: 10 });
  assert.deepEqual(names.released.at(-1), 10);
});

test("an answer that waits too long goes, and is counted", async () => {
  using names = new TestNames({ patienceMs: 20 });
  names.engine.setSelectors([{ matchName: "a.test" }]);
  await turns();
  names.policy.isQuick = false;
  names.answer("a.test", [a4], { id: 7 });
  await sleep(60);
  assert.deepEqual(names.released, [7]);
  assert.equal(names.engine.counters.late, 1);
});

test("an address moves to another identity only when policies know that one", async () => {
  using names = new TestNames();
  names.engine.setSelectors([{ matchName: "a.test" }, { matchPattern: "*.test" }]);
  await turns();
  names.policy.isQuick = false;
  names.answer("a.test", [a4], { id: 1 });
  // The pair of selectors is new: its identity first.
  assert.deepEqual(names.claims(), []);
  await names.policy.place();
  assert.deepEqual(names.claims(), [`${a4} fqdn:*.test,fqdn:a.test,reserved:world-ipv4`]);
  assert.deepEqual(names.released, []);
  await names.policy.place();
  assert.deepEqual(names.released, [1]);
  names.engine.setSelectors([{ matchName: "a.test" }]);
  await names.round();
  // That of the single selector was ready.
  assert.deepEqual(names.claims(), [`${a4} fqdn:a.test,reserved:world-ipv4`]);
});

test("a selector that comes gives known addresses their identity at once", async () => {
  using names = new TestNames();
  names.answer("a.test", [a4]);
  await turns();
  assert.deepEqual(names.claims(), []);
  names.engine.setSelectors([{ matchPattern: "*.test" }]);
  await turns();
  assert.deepEqual(names.claims(), [`${a4} fqdn:*.test,reserved:world-ipv4`]);
});

test("a selector that goes and comes back changes nothing, one that stays away goes with a round", async () => {
  using names = new TestNames();
  names.engine.setSelectors([{ matchName: "a.test" }, { matchName: "b.test" }]);
  names.answer("a.test", [a4], { ttlS: 600 });
  await turns();
  const changes: string[] = [];
  using _ = names.ipcache.table.subscribe(({ kind }) => changes.push(kind));
  names.engine.setSelectors([]);
  assert.deepEqual(names.engine.selectors, []);
  names.engine.setSelectors([{ matchName: "a.test" }]);
  await names.round();
  assert.deepEqual([changes, names.claims().length], [[], 1]);
  names.engine.setSelectors([]);
  await names.round();
  assert.deepEqual([changes, names.claims().length], [["delete"], 0]);
});

test("identities go a round after the last that used them", async () => {
  using names = new TestNames();
  names.engine.setSelectors([{ matchName: "a.test" }, { matchPattern: "*.test" }]);
  names.answer("a.test", [a4], { ttlS: 1 });
  await turns();
  assert.equal(names.identities.size, 5);
  await names.round();
  await names.round();
  assert.deepEqual(names.claims(), []);
  names.engine.setSelectors([]);
  await names.round();
  assert.equal(names.identities.size, 4);
  await names.round();
  assert.equal(names.identities.size, 0);
});

test("an address is kept for a connection, and not while nobody can tell whether there is one", async () => {
  using names = new TestNames();
  names.engine.setSelectors([{ matchName: "a.test" }]);
  names.answer("a.test", [a4, "203.0.113.2"], { ttlS: 5 });
  await turns();
  names.lookFails = true;
  for (let count = 0; count < 5; count++) await names.round();
  assert.equal(names.claims().length, 2);
  assert.match(names.engine.status().lookProblem ?? "", /no such map/);
  names.lookFails = false;
  names.connections.add(a4);
  for (let count = 0; count < 5; count++) await names.round();
  assert.deepEqual(names.claims(), [`${a4} fqdn:a.test,reserved:world-ipv4`]);
  assert.equal(names.engine.status().connected, 1);
  names.connections.clear();
  await names.round();
  await names.round();
  assert.deepEqual(names.claims(), []);
  assert.equal(names.engine.counters.deletions, 2);
});

test("an address is lost to whoever of the cluster comes to have it, and comes back after that", async () => {
  using names = new TestNames();
  names.engine.setSelectors([{ matchName: "a.test" }]);
  names.answer("a.test", [a4]);
  await turns();
  const claim = {
    prefix: Prefix.parse("203.0.113.0/24"),
    source: "generated" as const,
    owner: "node/node-2",
    identity: 3,
    hostIp: undefined,
  };
  names.ipcache.claim(claim);
  await turns();
  assert.deepEqual(names.claims(), []);
  assert.equal(names.book.refused.get(a4)?.reason, "pod address");
  names.ipcache.withdraw(claim.prefix, claim.source, claim.owner);
  await turns();
  assert.equal(names.claims().length, 1);
  names.apiServer.upsert(Address.parse(a4));
  await turns();
  assert.deepEqual(names.claims(), []);
  names.apiServer.delete(a4);
  names.ownAddresses.upsert(Address.parse(a4));
  await turns();
  assert.equal(names.book.refused.get(a4)?.reason, "address of a node");
  names.ownAddresses.delete(a4);
  names.services.upsert({
    apiVersion: "v1",
    kind: "Service",
    metadata: { namespace: "shop", name: "web" },
    spec: { externalIPs: [a4] },
  });
  await turns();
  assert.equal(names.book.refused.get(a4)?.reason, "service address");
  names.services.delete("shop/web");
  await turns();
  assert.equal(names.claims().length, 1);
  assert.deepEqual([...names.engine.counters.refused.values()], [1, 1, 1, 1]);
});

test("what the proxy says is taken for no more than it can be", async () => {
  using names = new TestNames();
  names.engine.setSelectors([{ matchPattern: "*" }]);
  names.answer("A.Test.", ["not an address", "1.2.3.4.5", a4], {
    ttlS: Number.NaN,
    atMs: Number.NaN,
    client: "nobody",
  });
  names.answer("b.test", [a4], { ttlS: -5, atMs: -1 });
  names.answer("c.test", [a4], { ttlS: 2 ** 31, atMs: names.nowMs + 1e9 });
  await turns();
  const entries = [...names.book.entries()].map(({ name, endpoint, ttlS, lookedUpMs }) =>
    [name, endpoint, ttlS, lookedUpMs - names.nowMs].join(" "),
  );
  assert.deepEqual(entries, ["a.test 0 0 0", "b.test 1 0 0", "c.test 1 0 0"]);
});

test("cleaning forgets what is meant, connected or not", async () => {
  using names = new TestNames();
  names.engine.setSelectors([{ matchPattern: "*" }]);
  names.answer("a.test", [a4]);
  names.answer("b.test", ["203.0.113.2"]);
  await turns();
  assert.equal(
    names.engine.clean(({ name }) => name === "a.test"),
    1,
  );
  assert.deepEqual(names.claims(), ["203.0.113.2 fqdn:*,reserved:world-ipv4"]);
});
