import assert from "node:assert/strict";
import { test } from "node:test";
import { Address, Prefix } from "@tsilium/net";
import { type Random, repeat } from "@tsilium/testkit";
import { type CacheLimits, defaultLimits, type Lookup } from "./model.ts";
import { NameBook } from "./name-book.ts";
import { TwinBook } from "./testing/twin.ts";

const minute = 60_000;

function setUp(limits: Partial<CacheLimits> = {}) {
  const refused = new Set<string>();
  const book = new NameBook({
    limits: { ...defaultLimits, ...limits },
    refuse: (address) => (refused.has(address.toString()) ? "address of a node" : undefined),
  });
  const told = new Map<string, string>();
  const settle = () => {
    for (const { address, selectors } of book.takeChanges().changes) {
      const text = address.toString();
      assert.notEqual(told.get(text), selectors?.join(" "), "told for nothing");
      if (selectors) told.set(text, selectors.join(" "));
      else told.delete(text);
    }
    return [...told].map(([address, keys]) => `${address}: ${keys}`).sort();
  };
  return { book, refused, settle };
}

const answer = (
  name: string,
  addresses: readonly string[],
  more: Partial<Lookup> & { ttlS?: number } = {},
): Lookup => ({
  endpoint: 1,
  name,
  aliases: [],
  atMs: 0,
  ...more,
  addresses: addresses.map((text) => ({ address: Address.parse(text), ttlS: more.ttlS ?? 60 })),
});

test("an address has the selectors of all its names, by whomever they were looked up", () => {
  const { book, settle } = setUp();
  book.setSelectors([{ matchName: "a.test" }, { matchPattern: "*.test" }]);
  book.observe(answer("a.test", ["203.0.113.1", "2001:db8::1"]), 0);
  book.observe(answer("b.test", ["203.0.113.1", "203.0.113.2"], { endpoint: 2 }), 0);
  book.observe(answer("c.example", ["203.0.113.3"]), 0);
  assert.deepEqual(settle(), [
    "2001:db8::1: *.test a.test",
    "203.0.113.1: *.test a.test",
    "203.0.113.2: *.test",
  ]);
});

test("a selector that comes finds addresses that are known, one that goes lets go of them", () => {
  const { book, settle } = setUp();
  book.observe(answer("a.test", ["203.0.113.1"]), 0);
  assert.deepEqual(settle(), []);
  book.setSelectors([{ matchName: "a.test" }]);
  assert.deepEqual(settle(), ["203.0.113.1: a.test"]);
  assert.equal(book.setSelectors([{ matchName: "A.test." }]), false);
  book.setSelectors([]);
  assert.deepEqual(settle(), []);
});

test("an alias on the way to an address counts as the name that was asked for", () => {
  const { book, settle } = setUp();
  book.setSelectors([{ matchName: "edge.cdn.example" }]);
  book.observe(answer("www.shop.example", ["203.0.113.1"], { aliases: ["edge.cdn.example"] }), 0);
  assert.deepEqual(settle(), ["203.0.113.1: edge.cdn.example"]);
  assert.deepEqual([...book.shared], []);
  assert.deepEqual(book.namesOf("203.0.113.1"), ["www.shop.example"]);
});

test("an address is refused as long as somebody of the cluster has it", () => {
  const { book, refused, settle } = setUp();
  book.setSelectors([{ matchPattern: "*" }]);
  refused.add("203.0.113.1");
  book.observe(answer("a.test", ["203.0.113.1", "203.0.113.2"]), 0);
  assert.deepEqual(settle(), ["203.0.113.2: *"]);
  assert.deepEqual(
    [...book.refused.values()],
    [{ address: "203.0.113.1", name: "a.test", reason: "address of a node" }],
  );
  refused.clear();
  book.recheck(Prefix.parse("203.0.113.0/24"));
  assert.deepEqual(settle(), ["203.0.113.1: *", "203.0.113.2: *"]);
  refused.add("203.0.113.2");
  book.recheck(Prefix.parse("203.0.113.2/32"));
  assert.deepEqual(settle(), ["203.0.113.1: *"]);
});

test("an address that an allowed name shares with another is told", () => {
  const { book, settle } = setUp();
  book.setSelectors([{ matchName: "a.test" }]);
  book.observe(answer("a.test", ["203.0.113.1"]), 0);
  settle();
  assert.equal(book.shared.size, 0);
  book.observe(answer("evil.example", ["203.0.113.1"], { endpoint: 2 }), 0);
  settle();
  assert.deepEqual(
    [...book.shared.values()],
    [{ address: "203.0.113.1", allowed: "a.test", other: "evil.example" }],
  );
});

test("an address is IPv4 however it was written", () => {
  const { book, settle } = setUp();
  book.setSelectors([{ matchName: "a.test" }]);
  book.observe(answer("a.test", ["::ffff:203.0.113.1"]), 0);
  assert.deepEqual(settle(), ["203.0.113.1: a.test"]);
});

test("an address goes at the second look that finds its time over and nobody connected", () => {
  const { book, settle } = setUp();
  book.setSelectors([{ matchName: "a.test" }]);
  book.observe(answer("a.test", ["203.0.113.1"], { ttlS: 30 }), 0);
  const look = (at: number, ...connected: string[]) => {
    const wanted = book.expired(at);
    book.collect(at, new Set(connected.filter((text) => wanted.has(text))), 0.9 * minute);
    return settle().length;
  };
  assert.equal(look(20_000), 1);
  assert.equal(look(1 * minute), 1);
  assert.equal(look(2 * minute, "203.0.113.1"), 1);
  assert.deepEqual(
    [...book.entries()].map(({ connected }) => connected),
    [true],
  );
  assert.equal(look(60 * minute, "203.0.113.1"), 1);
  assert.equal(look(61 * minute), 1);
  assert.equal(look(62 * minute), 0);
  assert.equal(book.size, 0);
});

test("a name with 500 rotating addresses keeps every one that has a connection", () => {
  const { book, settle } = setUp({ addressesPerName: 50 });
  book.setSelectors([{ matchName: "s3.example" }]);
  const addressOf = (at: number) => `203.0.${at >> 8}.${at & 0xff}`;
  const connections = new Set<string>();
  for (let at = 0; at < 2000; at++) {
    const nowMs = at * 5000;
    const first = (at * 8) % 500;
    const told = Array.from({ length: 8 }, (_, n) => addressOf((first + n) % 500));
    book.observe(answer("s3.example", told, { ttlS: 5, atMs: nowMs }), nowMs);
    // One connection in each answer's address, for 40 minutes.
    connections.add(told[0] as string);
    if (at >= 480) connections.delete(addressOf(((at - 480) * 8) % 500));
    if (at % 12 === 0) book.collect(nowMs, connections, 0.9 * minute);
    const placed = new Set(settle().map((line) => line.split(":")[0]));
    for (const text of connections) assert.ok(placed.has(text), `${text} at ${at}`);
  }
  assert.ok(book.size <= 500);
});

test("with too many kept for connections the oldest go, and they are counted", () => {
  const { book } = setUp({ deferredPerEndpoint: 10 });
  const all = Array.from({ length: 16 }, (_, at) => `203.0.113.${at}`);
  for (const [at, text] of all.entries())
    book.observe(answer("a.test", [text], { atMs: at, ttlS: 1 }), at);
  const quiet = new Set(all.slice(0, 14));
  const collected = book.collect(minute, quiet, minute);
  assert.deepEqual(collected, { names: 1, expired: 2, givenUp: 4 });
  assert.deepEqual(
    [...book.entries()].map(({ address }) => address),
    all.slice(4, 14),
  );
});

test("one endpoint's flood of names costs others nothing", () => {
  const { book, settle } = setUp({ entriesPerEndpoint: 100, entries: 150 });
  book.setSelectors([{ matchName: "a.test" }]);
  book.observe(answer("a.test", ["203.0.113.1"], { endpoint: 2 }), 0);
  book.observe(answer("a.test", ["203.0.113.2"]), 0);
  for (let at = 0; at < 2000; at++)
    book.observe(
      answer(`${at}.evil.example`, [`198.51.${at >> 8}.${at & 0xff}`], { atMs: at }),
      at,
    );
  assert.ok(book.size <= 150 && book.evicted > 1800);
  assert.deepEqual(settle(), ["203.0.113.1: a.test", "203.0.113.2: a.test"]);
  for (let endpoint = 3; endpoint < 10; endpoint++)
    for (let at = 0; at < 90; at++)
      book.observe(answer(`${at}.b.example`, ["198.51.100.1"], { endpoint, atMs: at }), at);
  assert.ok(book.size <= 150);
  assert.deepEqual(settle(), ["203.0.113.1: a.test", "203.0.113.2: a.test"]);
});

test("whatever is looked up, connected and selected, addresses are what a search of everything says", () => {
  repeat({ runs: 150 }, (random) => {
    const limits = { ...defaultLimits, addressesPerName: 3, deferredPerEndpoint: 4 };
    const { book, refused, settle } = setUp(limits);
    const twin = new TwinBook(limits);
    twin.refused = refused;
    let nowMs = 0;
    for (let step = 0; step < 80; step++) {
      nowMs += random.below(40_000) + 1;
      switch (random.below(5)) {
        case 0: {
          const selectors = ["a.test", "b.test", "*.test", "*", "c*.test"].filter(() =>
            random.chance(0.4),
          );
          twin.selectors = selectors.map((key) =>
            key.includes("*") ? { matchPattern: key } : { matchName: key },
          );
          book.setSelectors(twin.selectors);
          break;
        }
        case 1: {
          const wanted = book.expired(nowMs);
          const connected = new Set([...wanted].filter(() => random.chance(0.5)));
          book.collect(nowMs, connected, 30_000);
          twin.collect(nowMs, connected, 30_000);
          break;
        }
        case 2: {
          const text = randomAddress(random);
          if (!refused.delete(text)) refused.add(text);
          book.recheck(Prefix.host(Address.parse(text)));
          break;
        }
        default: {
          const lookup = randomLookup(random, nowMs);
          book.observe(lookup, nowMs);
          twin.observe(lookup, nowMs);
        }
      }
      assert.deepEqual(settle(), twin.show());
    }
  });
});

function randomAddress(random: Random): string {
  return random.chance(0.7) ? `203.0.113.${random.below(6)}` : `2001:db8::${1 + random.below(3)}`;
}

function randomLookup(random: Random, atMs: number): Lookup {
  const name = () => random.pick(["a.test", "b.test", "c.test", "cc.test", "d.example"]);
  const texts = new Set(Array.from({ length: 1 + random.below(3) }, () => randomAddress(random)));
  return {
    endpoint: random.below(3),
    name: name(),
    aliases: random.chance(0.3) ? [name()] : [],
    addresses: [...texts].map((text, at) => ({
      address: Address.parse(text),
      // No two entries of one answer end together: which of them goes first would be anybody's guess.
      ttlS: random.below(4) * 30 + at,
    })),
    atMs,
  };
}
