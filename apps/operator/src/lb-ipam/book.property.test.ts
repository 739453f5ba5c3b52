// The book against its naive twin, under random sequences of changes.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { CiliumLoadBalancerIPPool } from "@tsilium/kube";
import { Address, type Family, Prefix } from "@tsilium/net";
import { type Random, repeat } from "@tsilium/testkit";
import { AddressBook } from "./book.ts";
import type { Present, ServiceRequest } from "./model.ts";
import { readPool } from "./pool.ts";
import { incompatibility } from "./sharing.ts";
import { NaiveBook } from "./testing/naive-book.ts";

/** Twelve addresses of each family: few enough to collide all the time. */
const someAddress = (random: Random, family: Family = random.pick([4, 6])) =>
  Address.parse(family === 4 ? `192.0.2.${random.below(12)}` : `2001:db8::${random.below(12)}`);

const names = ["a", "b", "c", "d", "e", "f", "g"];
const poolNames = ["p", "q", "r"];

function somePool(random: Random, name: string): CiliumLoadBalancerIPPool {
  const block = () => {
    const family = random.pick([4, 6] as const);
    if (random.chance(0.5)) {
      const length = (family === 4 ? 32 : 128) - random.below(4);
      return { cidr: String(Prefix.of(someAddress(random, family), length, { mask: true })) };
    }
    const ends = [someAddress(random, family), someAddress(random, family)].sort((x, y) =>
      x.compare(y),
    );
    return { start: String(ends[0]), ...(random.chance(0.7) ? { stop: String(ends[1]) } : {}) };
  };
  return {
    metadata: { name, creationTimestamp: `2026-01-0${1 + random.below(3)}T00:00:00Z` },
    spec: {
      blocks: Array.from({ length: random.below(3) }, block),
      allowFirstLastIPs: random.pick(["Yes", "No"]),
      disabled: random.chance(0.2),
      ...(random.chance(0.3) ? { serviceSelector: { matchLabels: { color: "red" } } } : {}),
    },
  };
}

function someRequest(random: Random, key: string): ServiceRequest {
  const namespace = random.pick(["x", "y"]);
  return {
    name: key,
    namespace,
    createdAt: `2026-01-0${1 + random.below(3)}T00:00:00Z`,
    labels: random.chance(0.5) ? { color: "red" } : {},
    families: random.pick([[4], [6], [4, 6]]),
    requested: random.chance(0.3) ? [someAddress(random)] : [],
    unreadable: random.chance(0.05) ? ["nonsense"] : [],
    sharingKey: random.pick(["", "k", "k", "l"]),
    crossNamespace: random.pick([[], ["*"], ["x", "y"]]),
    ports: [`TCP/${random.below(4)}`],
    externalTrafficPolicy: random.chance(0.8) ? "Cluster" : "Local",
    selector: random.chance(0.5) ? { app: "one" } : {},
  };
}

/** Does the same to both. */
function change(random: Random, book: AddressBook, twin: NaiveBook): void {
  const kind = random.below(10);
  if (kind < 5) {
    const request = someRequest(random, random.pick(names));
    const addresses = random.chance(0.3) ? [someAddress(random), someAddress(random)] : [];
    const present: Present = { addresses, given: random.chance(0.5) };
    book.setService(request, present);
    twin.setService(request, present);
  } else if (kind === 5) {
    const name = random.pick(names);
    book.removeService(name);
    twin.rows.delete(name);
  } else if (kind < 8) {
    const name = random.pick(poolNames);
    const others = twin.pools.filter((pool) => pool.name !== name);
    twin.pools = random.chance(0.2) ? others : [...others, readPool(somePool(random, name))];
    twin.poolsChanged = true;
    book.setPools(twin.pools);
  } else if (kind === 8) {
    const owner = random.pick(["node a", "node b"]);
    const addresses = random.chance(0.5) ? [] : [someAddress(random)];
    book.reserve(owner, addresses);
    twin.reserved.set(owner, addresses.map(String));
    // The holder of an address that is reserved now has to give it up first, as one that changed.
    for (const row of twin.rows.values())
      if (row.held.some((text) => addresses.map(String).includes(text))) row.dirty = true;
  } else {
    const prefixes = random.chance(0.5)
      ? []
      : [Prefix.of(someAddress(random, 4), 31, { mask: true })];
    const before = twin.prefixes.get("pods") ?? [];
    if (String(before) !== String(prefixes)) twin.poolsChanged = true;
    book.reservePrefixes("pods", prefixes);
    twin.prefixes.set("pods", prefixes);
  }
}

function linesOf(book: AddressBook, twin: NaiveBook): string[] {
  return [
    ...[...twin.rows.keys()].map(
      (name) => `${name}: ${(book.outcomeOf(name)?.addresses ?? []).join(" ")}`,
    ),
    ...book
      .poolStates()
      .map(({ pool, total, used, available }) => `${pool.name}: ${total} ${used} ${available}`),
  ].sort();
}

test("whatever changes, in whatever order, services have what the naive book gives them", () => {
  repeat({ runs: 100 }, (random) => {
    const [book, twin] = [new AddressBook(), new NaiveBook()];
    for (let step = 0; step < 40; step++) {
      for (let count = 1 + random.below(3); count > 0; count--) change(random, book, twin);
      const before = new Map(
        [...twin.rows.keys()].map((name) => [name, JSON.stringify(book.outcomeOf(name))]),
      );
      const news = new Set(book.settle());
      twin.settle();
      assert.deepEqual(linesOf(book, twin), twin.lines(), `step ${step}`);
      for (const [name, text] of before)
        assert.equal(news.has(name), JSON.stringify(book.outcomeOf(name)) !== text, name);
    }
  });
});

test("no address is two services' unless they may share it, and none is anybody's who reserved it", () => {
  repeat({ runs: 100 }, (random) => {
    const [book, twin] = [new AddressBook(), new NaiveBook()];
    for (let step = 0; step < 60; step++) {
      change(random, book, twin);
      book.settle();
      const holders = new Map<string, ServiceRequest[]>();
      for (const [name, { request }] of twin.rows)
        for (const address of book.outcomeOf(name)?.addresses ?? [])
          holders.set(String(address), [...(holders.get(String(address)) ?? []), request]);
      for (const [address, requests] of holders) {
        for (const one of requests)
          for (const other of requests)
            if (one !== other) assert.equal(incompatibility(one, other), undefined, address);
        assert.ok(![...twin.reserved.values()].flat().includes(address), address);
      }
    }
  });
});

test("a restart changes nothing: what statuses say is taken over as it is", () => {
  repeat({ runs: 200 }, (random) => {
    const [book, twin] = [new AddressBook(), new NaiveBook()];
    for (let step = 0; step < 30; step++) change(random, book, twin);
    book.settle();
    const successor = new AddressBook();
    successor.setPools(twin.pools);
    for (const [owner, texts] of twin.reserved)
      successor.reserve(
        owner,
        texts.map((text) => Address.parse(text)),
      );
    for (const [owner, prefixes] of twin.prefixes) successor.reservePrefixes(owner, prefixes);
    for (const [name, { request }] of twin.rows)
      successor.setService(request, {
        addresses: book.outcomeOf(name)?.addresses ?? [],
        given: true,
      });
    successor.settle();
    assert.deepEqual(linesOf(successor, twin), linesOf(book, twin));
  });
});
