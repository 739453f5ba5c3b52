import assert from "node:assert/strict";
import { test } from "node:test";
import { Labels } from "@tsilium/net";
import { Table } from "@tsilium/tables";
import { LocalIdentities } from "./local.ts";
import type { Identity } from "./model.ts";

const apiServer = Labels.parse(["reserved:kube-apiserver", "reserved:world-ipv4"]);
const gold = Labels.parse(["reserved:remote-node", "node:tier=gold"]);

function setUp() {
  const table = new Table<Identity>({ name: "identities", key: ({ id }) => String(id) });
  const show = () => [...table.values()].map(({ id, labels }) => `${id >>> 24} ${labels}`);
  return { table, local: new LocalIdentities(table), show };
}

test("a local identity is in the scope it is asked for, and there as long as somebody holds it", () => {
  const { local, show } = setUp();
  const node = local.acquire("node", gold);
  local.acquire("external", apiServer);
  assert.equal(local.acquire("node", gold), node);
  assert.deepEqual(show(), [
    "2 reserved:remote-node,node:tier=gold",
    "1 reserved:kube-apiserver,reserved:world-ipv4",
  ]);
  local.release(node);
  assert.equal(show().length, 2);
  local.release(node);
  assert.deepEqual(show(), ["1 reserved:kube-apiserver,reserved:world-ipv4"]);
});

test("labels have the number they had before a restart, whatever came first then", () => {
  const before = setUp().local;
  const after = setUp().local;
  const numbers = [before.acquire("node", gold), before.acquire("external", apiServer)];
  assert.deepEqual(
    [after.acquire("external", apiServer), after.acquire("node", gold)].reverse(),
    numbers,
  );
});

test("a number that other labels have is passed over", () => {
  const { table, local } = setUp();
  const wanted = setUp().local.acquire("node", gold);
  table.upsert({ id: wanted, labels: apiServer, reserved: false });
  assert.equal(local.acquire("node", gold), wanted + 1);
});

test("what nobody holds cannot be given back", () => {
  const { table, local, show } = setUp();
  table.upsert({ id: 300, labels: gold, reserved: false });
  local.release(300);
  assert.equal(show().length, 1);
});
