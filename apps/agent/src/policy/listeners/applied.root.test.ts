// CVE-2024-28248 in another form: policy is called applied while kept connections go on under the rules before it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Bench, cart, ciliumPolicy, cluster, httpFrom, synced } from "../testing/bench.ts";

const webAddress = "10.244.0.9";
const http = (path: string) => ciliumPolicy("l7", httpFrom([path], "cart"));
const isSettled = (bench: Bench, batch: number) => {
  const { applied, conditionCount } = bench.engine.report();
  return applied >= batch && conditionCount === 0;
};

test("a policy whose listener was waited for is not applied before connections follow it", () => {
  using bench = new Bench();
  bench.node.setEndpoint(1, webAddress);
  bench.want(1).tell(...cluster, http("/a"), synced);
  bench.node.setProxied({
    client: { identity: cart[0], address: cart[1], port: 40_000 },
    server: { identity: 300, address: webAddress, port: 80 },
    proxyPort: 11_008,
  });
  const before = bench.engine.report().applied;
  bench.areProxiesWell = false;
  bench.tell(http("/b"));
  // As the worker does after every step: also while the listener has not acknowledged its rules.
  assert.equal(isSettled(bench, before + 1), false, "its listener is not ready");
  bench.acknowledge();
  bench.settle();
  assert.deepEqual(bench.moved.length, 1);
  assert.equal(isSettled(bench, before + 1), false, "the connection was not told");
  bench.engine.acknowledgeMoved(1);
  bench.settle();
  assert.equal(isSettled(bench, before + 1), true);
});
