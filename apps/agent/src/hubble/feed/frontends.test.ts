import assert from "node:assert/strict";
import { test } from "node:test";
import { service, TestEngine } from "../../services/testing/engine.ts";
import { FrontendNames } from "./frontends.ts";
import type { FeedItem } from "./model.ts";

function follow() {
  const said: FeedItem[] = [];
  const engine: TestEngine = new TestEngine({ onApplied: (applied) => names.applied(applied) });
  const names = new FrontendNames(engine.book);
  engine.engine.complete();
  const take = () => [...new Set(said.splice(0).map(text))].sort();
  const start = () => names.follow((item) => void said.push(item));
  return { engine, names, take, start, [Symbol.dispose]: () => engine[Symbol.dispose]() };
}

function text(item: FeedItem): string {
  if (item.kind !== "frontend") return item.kind;
  return `${item.address}:${item.port}/${item.protocol} is ${item.namespace}/${item.name}`;
}

const whole = (address: string, name: string) => `${address}:0/0 is shop/${name}`;

test("who follows is told of services that come and go, and what there is can be asked for", async () => {
  using it = follow();
  it.engine.serve("web", "10.96.0.1", ["10.244.0.1"]);
  await it.engine.settled();
  assert.deepEqual([...it.names.items()].map(text).sort(), [
    whole("10.96.0.1", "web"),
    "10.96.0.1:80/6 is shop/web",
  ]);
  using _following = it.start();
  it.engine.serve("cart", "10.96.0.2", ["10.244.0.2"]);
  await it.engine.settled();
  assert.deepEqual(it.take(), [whole("10.96.0.2", "cart"), "10.96.0.2:80/6 is shop/cart"]);
  it.engine.services.delete("shop/cart");
  await it.engine.settled();
  assert.deepEqual(it.take(), ["frontend-gone"]);
});

test("numbers are the kernel's", async () => {
  using it = follow();
  it.engine.serve("web", "10.96.0.1", ["10.244.0.1"]);
  await it.engine.settled();
  const ids = [...it.names.items()].map((item) => (item.kind === "frontend" ? item.id : 0));
  const { frontends } = it.engine.kernel.survey();
  assert.deepEqual(ids.toSorted(), frontends.map(({ id }) => id).toSorted());
});

test("a frontend that goes to another service when its holder ends is told again", async () => {
  using it = follow();
  const external = { externalIPs: ["203.0.113.7"] };
  it.engine.services.upsert(service("first", "10.96.0.1", external));
  it.engine.services.upsert({
    ...service("second", "10.96.0.2", external),
    metadata: { name: "second", namespace: "shop", creationTimestamp: "2026-02-01T00:00:00Z" },
  });
  await it.engine.settled();
  using _following = it.start();
  it.engine.services.delete("shop/first");
  await it.engine.settled();
  assert.ok(it.take().includes("203.0.113.7:80/6 is shop/second"));
});
