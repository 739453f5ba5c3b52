import assert from "node:assert/strict";
import { test } from "node:test";
import { Address, Prefix } from "@tsilium/net";
import { type Random, repeat } from "@tsilium/testkit";
import { type AddressRow, AddressRows, type AddressWinner } from "./address-rows.ts";
import { ownerHash } from "./owner.ts";

const world = { 4: 9, 6: 10 } as const;
const hostIp = Address.parse("172.18.0.3");
const named = (...texts: string[]) => new Map(texts.map((text) => [text, Prefix.parse(text)]));
const winner = (prefix: string, identity: number, owner: string): AddressWinner => ({
  prefix: Prefix.parse(prefix),
  identity,
  hostIp,
  owner,
});

/** Everything the kernel would hold, as it follows from the commits. */
class Kernel {
  readonly rows = new Map<string, AddressRow>();
  readonly sets = new Map<number, string>();
  readonly everNumbered = new Set<number>();

  commit(table: AddressRows): string[] {
    const { addedSets, rows, removedRows, removedSets } = table.commit();
    for (const { id, prefixes } of addedSets) {
      assert.ok(!this.everNumbered.has(id), `set ${id} comes up twice`);
      this.everNumbered.add(id);
      this.sets.set(id, prefixes.join(" "));
    }
    for (const row of rows) {
      assert.notDeepEqual(
        row,
        this.rows.get(row.prefix.toString()),
        "a row is written for nothing",
      );
      assert.ok(row.cidrSet === 0 || this.sets.has(row.cidrSet), "a row has an unknown set");
      this.rows.set(row.prefix.toString(), row);
    }
    for (const prefix of removedRows) assert.ok(this.rows.delete(prefix.toString()));
    for (const id of removedSets) {
      assert.ok(this.sets.delete(id));
      for (const row of this.rows.values()) assert.notEqual(row.cidrSet, id, "a set goes in use");
    }
    return rows.map((row) => this.show(row)).concat(removedRows.map((prefix) => `-${prefix}`));
  }

  show({ prefix, identity, tunnelEndpoint, owner, cidrSet }: AddressRow): string {
    const who = owner === ownerHash("world") ? "" : ` owner ${owner.toString(16)}`;
    const covered = cidrSet === 0 ? "" : ` in ${this.sets.get(cidrSet)}`;
    return `${prefix} ${identity} via ${tunnelEndpoint ?? "-"}${who}${covered}`;
  }
}

const setUp = (options: { tunnel?: boolean; firstSet?: number } = {}) => {
  const table = new AddressRows({ world, tunnel: true, ...options });
  const kernel = new Kernel();
  const commit = () => kernel.commit(table);
  return { table, kernel, commit };
};
const owner = (text: string) => `owner ${ownerHash(text).toString(16)}`;

test("the whole of each family has a row from the first, so that no IPv4 address is looked up as IPv6", () => {
  const { table, commit } = setUp();
  table.setPrefixes(named("::/0"));
  assert.deepEqual(commit(), ["0.0.0.0/0 9 via -", "::/0 10 via - in ::/0"]);
  table.setPrefixes(new Map());
  assert.deepEqual(commit(), ["::/0 10 via -"]);
});

test("a row says which policy prefixes cover it, all of them", () => {
  const { table, commit } = setUp();
  commit();
  table.setWinner(winner("10.1.2.3/32", 300, "shop/cart/u"));
  table.setPrefixes(named("10.0.0.0/8", "10.1.0.0/16", "10.2.0.0/16"));
  assert.deepEqual(commit(), [
    "10.0.0.0/8 9 via - in 10.0.0.0/8",
    "10.1.0.0/16 9 via - in 10.0.0.0/8 10.1.0.0/16",
    `10.1.2.3/32 300 via 172.18.0.3 ${owner("shop/cart/u")} in 10.0.0.0/8 10.1.0.0/16`,
    "10.2.0.0/16 9 via - in 10.0.0.0/8 10.2.0.0/16",
  ]);
  table.setPrefixes(named("10.1.0.0/16"));
  assert.deepEqual(commit(), [
    "10.1.0.0/16 9 via - in 10.1.0.0/16",
    `10.1.2.3/32 300 via 172.18.0.3 ${owner("shop/cart/u")} in 10.1.0.0/16`,
    "-10.0.0.0/8",
    "-10.2.0.0/16",
  ]);
});

test("a policy's prefix inside somebody's is that one's, and changes hands with it", () => {
  const { table, commit } = setUp();
  table.setWinner(winner("10.244.1.0/24", 9, "node/node-2"));
  table.setPrefixes(named("10.244.1.128/25"));
  commit();
  table.setWinner(winner("10.244.1.0/24", 9, "node/node-3"));
  assert.deepEqual(commit(), [
    `10.244.1.0/24 9 via 172.18.0.3 ${owner("node/node-3")}`,
    `10.244.1.128/25 9 via 172.18.0.3 ${owner("node/node-3")} in 10.244.1.128/25`,
  ]);
  table.deleteWinner(Prefix.parse("10.244.1.0/24"));
  assert.deepEqual(commit(), ["10.244.1.128/25 9 via - in 10.244.1.128/25", "-10.244.1.0/24"]);
});

test("an address taken over by another pod of the same identity has another owner", () => {
  const { table, commit } = setUp();
  table.setWinner(winner("10.0.0.1/32", 300, "shop/cart/uid-1"));
  commit();
  table.setWinner(winner("10.0.0.1/32", 300, "shop/cart/uid-2"));
  assert.deepEqual(commit(), [`10.0.0.1/32 300 via 172.18.0.3 ${owner("shop/cart/uid-2")}`]);
});

test("what comes and goes between two commits, or only says the same again, writes nothing", () => {
  const { table, commit } = setUp();
  table.setWinner(winner("10.0.0.1/32", 300, "a"));
  table.setPrefixes(named("10.0.0.0/8"));
  commit();
  table.setWinner(winner("10.0.0.2/32", 300, "b"));
  table.deleteWinner(Prefix.parse("10.0.0.2/32"));
  table.deleteWinner(Prefix.parse("10.0.0.1/32"));
  table.setWinner(winner("10.0.0.1/32", 300, "a"));
  table.setPrefixes(named("10.0.0.0/8", "10.0.0.0/16"));
  table.setPrefixes(named("10.0.0.0/8"));
  assert.deepEqual(commit(), []);
});

test("numbers of sets start where they are told to, and a set that comes back has a new one", () => {
  const { table, kernel, commit } = setUp({ firstSet: 77 });
  for (const prefixes of [named("10.0.0.0/8"), named(), named("10.0.0.0/8")]) {
    table.setPrefixes(prefixes);
    commit();
  }
  assert.deepEqual([...kernel.everNumbered], [77, 78]);
  assert.deepEqual(
    [...table.rows()].map(({ prefix, cidrSet }) => `${prefix} ${cidrSet}`),
    ["0.0.0.0/0 0", "10.0.0.0/8 78", "::/0 0"],
  );
  assert.deepEqual(table.cidrSet(78)?.prefixes.map(String), ["10.0.0.0/8"]);
});

test("without a tunnel nobody is behind a node", () => {
  const { table, commit } = setUp({ tunnel: false });
  commit();
  table.setWinner(winner("10.0.0.1/32", 300, "a"));
  assert.deepEqual(commit(), [`10.0.0.1/32 300 via - ${owner("a")}`]);
});

test("an IPv6 prefix of IPv4-mapped addresses has no row: it would stand for IPv4 ones", () => {
  const { table, commit } = setUp();
  commit();
  table.setPrefixes(named("::ffff:10.0.0.0/104", "::ffff:0.0.0.0/96"));
  assert.deepEqual(commit(), []);
});

const randomPrefix = (random: Random): Prefix => {
  const [text, lengths] = random.chance(0.5)
    ? [`10.0.0.${random.below(8)}`, [0, 8, 29, 30, 31, 32]]
    : [`fd00::${random.below(8)}`, [0, 16, 125, 126, 127, 128]];
  return Prefix.of(Address.parse(text as string), random.pick(lengths as number[]), { mask: true });
};

test("a lookup answers what a search of all winners and all policy prefixes answers, after any sequence", () => {
  repeat({ runs: 100 }, (random) => {
    const { table, kernel, commit } = setUp();
    const winners = new Map<string, AddressWinner>();
    let prefixes = new Map<string, Prefix>();
    for (let step = 0; step < 40; step++) {
      for (let change = random.below(4); change >= 0; change--) {
        const prefix = randomPrefix(random);
        const text = prefix.toString();
        if (random.chance(0.4)) {
          const next = winner(text, 300 + random.below(3), random.pick(["a", "b"]));
          winners.set(text, next);
          table.setWinner(next);
        } else if (random.chance(0.5)) {
          winners.delete(text);
          table.deleteWinner(prefix);
        } else {
          prefixes = new Map(prefixes);
          if (!prefixes.delete(text)) prefixes.set(text, prefix);
          table.setPrefixes(prefixes);
        }
      }
      commit();
      for (const text of ["10.0.0.", "fd00::"])
        for (let host = 0; host < 8; host++)
          checkLookup(Address.parse(`${text}${host}`), kernel, [...winners.values()], prefixes);
    }
    assert.equal(
      kernel.rows.size,
      new Set([...winners.keys(), ...prefixes.keys(), "0.0.0.0/0", "::/0"]).size,
    );
  });
});

function checkLookup(
  address: Address,
  kernel: Kernel,
  winners: readonly AddressWinner[],
  prefixes: ReadonlyMap<string, Prefix>,
): void {
  const longest = <T extends { readonly prefix: Prefix }>(rows: Iterable<T>) =>
    [...rows]
      .filter(({ prefix }) => prefix.contains(address))
      .sort((a, b) => b.prefix.length - a.prefix.length)[0];
  const found = longest(kernel.rows.values()) as AddressRow;
  const holder = longest(winners);
  const covering = [...prefixes.values()]
    .filter((prefix) => prefix.contains(address))
    .sort((a, b) => a.length - b.length);
  assert.deepEqual(
    [found.identity, found.owner, kernel.sets.get(found.cidrSet) ?? ""],
    [
      holder?.identity ?? world[address.family],
      ownerHash(holder?.owner ?? "world"),
      covering.join(" "),
    ],
  );
}
