// Peers and agent events: what watchers are told.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { repeat } from "@tsilium/testkit";
import type { AgentEvent } from "../model.ts";
import { Observer } from "./observer.ts";
import { type HubblePeer, HubblePeers, hubbleServerName, type PeerChange } from "./peers.ts";
import type { Range } from "./query.ts";

const peer = (name: string, address = `${name}:4244`): HubblePeer => ({
  name,
  address,
  tlsServerName: hubbleServerName(name, "default"),
});
const text = (changes: readonly PeerChange[]) =>
  changes.map(({ type, peer: { name, address } }) => `${type} ${name} ${address}`);

test("a node's server name has no dots of its own", () => {
  assert.equal(hubbleServerName("node-1", "default"), "node-1.default.hubble-grpc.cilium.io");
  assert.equal(hubbleServerName("a.b.c", "x.y"), "a-b-c.x-y.hubble-grpc.cilium.io");
});

test("a watcher is told all peers, and then what changes", async () => {
  const peers = new HubblePeers();
  peers.set([peer("a"), peer("b")]);
  const abort = new AbortController();
  const watch = peers.watch(abort.signal);
  assert.deepEqual(text((await watch.next()).value ?? []), ["added a a:4244", "added b b:4244"]);
  const next = watch.next();
  peers.set([peer("b"), peer("a")]);
  peers.set([peer("b", "new"), peer("c")]);
  assert.deepEqual(text((await next).value ?? []), [
    "deleted a a:4244",
    "updated b new",
    "added c c:4244",
  ]);
  assert.deepEqual(
    peers.list().map(({ name }) => name),
    ["b", "c"],
  );
  const last = watch.next();
  abort.abort(new Error("enough"));
  await assert.rejects(last, { message: "enough" });
});

test("whatever a slow watcher is told, it adds up to the peers there are", async () => {
  const runs: Promise<void>[] = [];
  repeat({ runs: 30 }, (random) => {
    runs.push(
      (async () => {
        const peers = new HubblePeers();
        const abort = new AbortController();
        const watch = peers.watch(abort.signal);
        const told = new Map<string, HubblePeer>();
        for (let turn = 0; turn < 20; turn++) {
          const names = ["a", "b", "c", "d"].filter(() => random.chance(0.6));
          peers.set(names.map((name) => peer(name, String(random.below(2)))));
          if (random.chance(0.5)) continue;
          peers.set([...peers.list(), peer("z", String(turn))]);
          for (const change of (await watch.next()).value ?? []) {
            const { name } = change.peer;
            assert.equal(told.has(name), change.type !== "added", `${change.type} ${name}`);
            if (change.type === "deleted") told.delete(name);
            else told.set(name, change.peer);
          }
          assert.deepEqual([...told.values()].map(text1).sort(), peers.list().map(text1).sort());
        }
        abort.abort();
      })(),
    );
  });
  await Promise.all(runs);
});

const text1 = ({ name, address }: HubblePeer) => `${name} ${address}`;

const event = (at: number): AgentEvent => ({
  timeNs: BigInt(at),
  type: 1,
  notification: { kind: "unknown", text: String(at) },
});
const all: Range = {
  number: 0,
  first: false,
  follow: false,
  sinceNs: undefined,
  untilNs: undefined,
};

async function read(observer: Observer, range: Partial<Range>): Promise<string> {
  const times: bigint[] = [];
  const { signal } = new AbortController();
  for await (const { timeNs } of observer.getAgentEvents({ ...all, ...range }, signal))
    times.push(timeNs);
  return times.join(" ");
}

test("agent events: the newest, the oldest, since, until", async () => {
  const observer = new Observer({ nodeName: "n" });
  for (let at = 1; at <= 5; at++) observer.addAgentEvent(event(at));
  assert.equal(await read(observer, {}), "1 2 3 4 5");
  assert.equal(await read(observer, { number: 2 }), "4 5");
  assert.equal(await read(observer, { number: 2, first: true }), "1 2");
  assert.equal(await read(observer, { sinceNs: 2n, untilNs: 4n }), "2 3 4");
  assert.equal(await read(observer, { sinceNs: 2n, number: 1 }), "2");
  for (let at = 6; at <= 5_000; at++) observer.addAgentEvent(event(at));
  assert.equal((await read(observer, {})).split(" ").length, 1_023);
});

test("agent events: whoever follows gets the new ones, until it leaves", async () => {
  const observer = new Observer({ nodeName: "n" });
  observer.addAgentEvent(event(1));
  const abort = new AbortController();
  const times: bigint[] = [];
  const done = (async () => {
    for await (const { timeNs } of observer.getAgentEvents(
      { ...all, follow: true, number: 1 },
      abort.signal,
    ))
      times.push(timeNs);
  })();
  await nextTurn();
  observer.addAgentEvent(event(2));
  observer.addAgentEvent(event(3));
  await nextTurn();
  assert.deepEqual(times, [1n, 2n, 3n]);
  abort.abort(new Error("enough"));
  await assert.rejects(done, { message: "enough" });
});
