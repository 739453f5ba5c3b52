import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { KnownNames } from "./known-names.ts";

const addresses = (...list: [address: string, ttlS: number][]) =>
  list.map(([address, ttlS]) => ({ address, ttlS }));

describe("known names", () => {
  const one = addresses(["192.0.2.1", 10]);
  const ask = (known: KnownNames, list: typeof one, nowMs: number, client = "a") =>
    known.noveltyOf("x.y", list, { client, nowMs });

  test("are new until acknowledged, then known until they expire", () => {
    const known = new KnownNames();
    assert.equal(ask(known, one, 0), "new");
    known.acknowledge("x.y", one, { client: "a", atMs: 0 });
    // A second longer than the answer said: answers within it need not be told.
    assert.deepEqual(
      [0, 1_000, 1_001, 10_999, 11_000].map((nowMs) => ask(known, one, nowMs)),
      ["known", "known", "renewed", "renewed", "new"],
    );
    known.forget();
    assert.equal(ask(known, one, 1), "new");
  });

  test("are told again now and then, however long the TTL", () => {
    const known = new KnownNames();
    known.acknowledge("x.y", addresses(["192.0.2.1", 300]), { client: "a", atMs: 0 });
    // Behind a resolver that counts down.
    assert.equal(ask(known, addresses(["192.0.2.1", 285]), 15_000), "known");
    assert.equal(ask(known, addresses(["192.0.2.1", 284]), 15_001), "renewed");
    known.acknowledge("x.y", addresses(["192.0.2.1", 284]), { client: "a", atMs: 15_001 });
    assert.equal(ask(known, addresses(["192.0.2.1", 284]), 15_002), "known");
  });

  test("are new by each address that is", () => {
    const known = new KnownNames();
    known.acknowledge("x.y", one, { client: "a", atMs: 0 });
    assert.equal(ask(known, addresses(["192.0.2.1", 5], ["192.0.2.2", 5]), 0), "new");
    assert.equal(known.noveltyOf("z.y", one, { client: "a", nowMs: 0 }), "new");
  });

  test("need not wait for another client, which is told of all the same", () => {
    const known = new KnownNames();
    known.acknowledge("x.y", one, { client: "a", atMs: 0 });
    assert.equal(ask(known, one, 0, "b"), "renewed");
    known.acknowledge("x.y", one, { client: "b", atMs: 0 });
    assert.equal(ask(known, one, 0, "b"), "known");
  });

  test("without addresses are nothing to tell", () => {
    assert.equal(ask(new KnownNames(), [], 0), "known");
  });

  test("are bounded by their addresses, too", () => {
    const known = new KnownNames();
    const many = addresses(
      ...Array.from({ length: 4_000 }, (_, at): [string, number] => [`a${at}`, 9]),
    );
    const asked = { client: "a", nowMs: 0 };
    for (let round = 0; round < 2; round++)
      for (let index = 0; index < 40; index++)
        known.acknowledge(`n${index}`, many, { client: "a", atMs: 0 });
    assert.equal(known.size, 32);
    assert.equal(known.noveltyOf("n7", many, asked), "new");
    assert.equal(known.noveltyOf("n8", many, asked), "known");
    known.forget();
    known.acknowledge("x", many, { client: "a", atMs: 0 });
    assert.equal(known.noveltyOf("x", many, asked), "known");
  });

  test("are bounded, the oldest go first", () => {
    const known = new KnownNames();
    for (let index = 0; index < 20_000; index++)
      known.acknowledge(`n${index}`, one, { client: "a", atMs: 0 });
    assert.equal(known.size, 16_384);
    assert.equal(known.noveltyOf("n0", one, { client: "a", nowMs: 0 }), "new");
    assert.equal(known.noveltyOf("n19999", one, { client: "a", nowMs: 0 }), "known");
    for (let index = 0; index < 10_000; index++)
      known.acknowledge("x.y", addresses([`10.0.${index >> 8}.${index & 255}`, 60]), {
        client: "a",
        atMs: 0,
      });
    assert.equal(ask(known, addresses(["10.0.39.15", 60]), 0), "known");
  });
});
