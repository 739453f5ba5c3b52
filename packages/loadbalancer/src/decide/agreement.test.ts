// Decisions against the naive ones, over random worlds: every frontend, for clients from outside and of the cluster.
import assert from "node:assert/strict";
import { test } from "node:test";
import { repeat } from "@tsilium/testkit";
import { ServiceBook } from "../book/book.ts";
import { randomWorld } from "../testing/generate.ts";
import { KernelTables } from "../testing/kernel.ts";
import { naiveText } from "../testing/naive.ts";
import { decideWorld } from "../testing/world.ts";

test("what the kernel is told is what the objects say", () => {
  repeat({ runs: 150 }, (random) => {
    const world = randomWorld(random);
    const book = new ServiceBook({ maglevTableSize: 251, maglevSeed: 7, maxSets: 1000 });
    const kernel = new KernelTables();
    for (const service of decideWorld(world)) book.set(service);
    kernel.apply(book.changes());
    assert.equal(kernel.text(), naiveText(world));
  });
});
