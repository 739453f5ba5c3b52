// Random worlds and random steps between them: what the book tells the kernel comes to what a new book would tell it, through
// failures and restarts, and a packet never meets what is not there.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ServiceChanges } from "@tsilium/datapath/model.ts";
import { repeat, type Random } from "@tsilium/testkit";
import type { DecidedService } from "../model.ts";
import { randomStep, randomWorld } from "../testing/generate.ts";
import { KernelTables, WriteFailed } from "../testing/kernel.ts";
import { decideWorld, type World } from "../testing/world.ts";
import { ServiceBook } from "./book.ts";

const options = { maglevTableSize: 251, maglevSeed: 7, maxSets: 1000 };

function settle(book: ServiceBook, kernel: KernelTables): void {
  kernel.apply(book.changes());
  book.applied();
}

function fresh(services: readonly DecidedService[]): { book: ServiceBook; kernel: KernelTables } {
  const book = new ServiceBook(options);
  const kernel = new KernelTables();
  for (const service of services) book.set(service);
  settle(book, kernel);
  return { book, kernel };
}

/** As an agent does: only what is decided differently is told. */
function move(
  book: ServiceBook,
  before: readonly DecidedService[],
  world: World,
): DecidedService[] {
  const after = decideWorld(world);
  const kept = new Set(after.map(({ key }) => key));
  for (const { key } of before) if (!kept.has(key)) book.remove(key);
  for (const service of after) book.set(service);
  return after;
}

function settleWithFailures(book: ServiceBook, kernel: KernelTables, random: Random): void {
  for (let attempt = 0; attempt < 4; attempt++) {
    try {
      kernel.apply(book.changes(), attempt < 3 ? random.below(12) : undefined);
      book.applied();
      return;
    } catch (error) {
      if (!(error instanceof WriteFailed)) throw error;
      book.failed();
    }
  }
}

function applySome(kernel: KernelTables, changes: ServiceChanges, writes: number): void {
  try {
    kernel.apply(changes, writes);
  } catch (error) {
    if (!(error instanceof WriteFailed)) throw error;
  }
}

test("after any steps the kernel is as a new book would have it", () => {
  repeat({ runs: 60 }, (random) => {
    let world = randomWorld(random);
    const { book, kernel } = fresh(decideWorld(world));
    let decided = decideWorld(world);
    for (let step = 0; step < 12; step++) {
      world = randomStep(world, random);
      decided = move(book, decided, world);
      // Several steps may come between two writes.
      if (random.chance(0.3)) continue;
      if (random.chance(0.3)) settleWithFailures(book, kernel, random);
      else settle(book, kernel);
      assert.equal(kernel.text(), fresh(decided).kernel.text());
    }
  });
});

test("when everything is deleted nothing is left, in the kernel or in the book", () => {
  repeat({ runs: 40 }, (random) => {
    const world = randomWorld(random);
    const decided = decideWorld(world);
    const { book, kernel } = fresh(decided);
    for (const { key } of decided) {
      book.remove(key);
      if (random.chance(0.5)) settleWithFailures(book, kernel, random);
    }
    settle(book, kernel);
    assert.deepEqual(kernel.survey(), new KernelTables().survey());
    assert.deepEqual(book.sizes, new ServiceBook(options).sizes);
  });
});

test("an agent that restarts writes nothing but Maglev tables, and keeps every number", () => {
  repeat({ runs: 40 }, (random) => {
    const decided = decideWorld(randomWorld(random));
    const { kernel } = fresh(decided);
    const before = JSON.stringify(numbersOf(kernel));
    const book = new ServiceBook(options);
    book.adopt(kernel.survey());
    for (const service of decided.toSorted(() => random.below(3) - 1)) book.set(service);
    const { sets, ...changes } = book.changes();
    for (const [table, { put, remove }] of Object.entries(changes))
      assert.deepEqual({ table, put, remove }, { table, put: [], remove: [] });
    assert.deepEqual(
      sets.put.filter(({ maglev }) => !maglev),
      [],
    );
    assert.deepEqual(sets.remove, []);
    kernel.apply({ sets, ...changes });
    book.applied();
    assert.equal(JSON.stringify(numbersOf(kernel)), before);
  });
});

test("an agent that restarts into another world makes the kernel like it", () => {
  repeat({ runs: 40 }, (random) => {
    const world = randomWorld(random);
    const { kernel } = fresh(decideWorld(world));
    const next = decideWorld(
      Array.from({ length: 8 }).reduce<World>((now) => randomStep(now, random), world),
    );
    const book = new ServiceBook(options);
    book.adopt(kernel.survey());
    // Some is known only when the first writes have failed.
    const late = next.filter(() => random.chance(0.2));
    for (const service of next) if (!late.includes(service)) book.set(service);
    applySome(kernel, book.changes(), random.below(60));
    book.failed();
    for (const service of late) book.set(service);
    settleWithFailures(book, kernel, random);
    assert.equal(kernel.text(), fresh(next).kernel.text());
    for (const { key } of next) book.remove(key);
    settle(book, kernel);
    assert.deepEqual(kernel.survey(), new KernelTables().survey());
    assert.deepEqual(book.sizes, new ServiceBook(options).sizes);
  });
});

test("the order in which services are told does not matter", () => {
  repeat({ runs: 40 }, (random) => {
    const decided = decideWorld(randomWorld(random));
    const shuffled = decided.toSorted(() => random.below(3) - 1);
    assert.equal(fresh(shuffled).kernel.text(), fresh(decided).kernel.text());
  });
});

function numbersOf(kernel: KernelTables) {
  return {
    backends: [...kernel.backends.values()],
    sets: [...kernel.sets.values()].map(({ id, backends }) => [id, backends]).toSorted(),
    frontends: [...kernel.frontends.values()],
  };
}
