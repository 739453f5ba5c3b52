import assert from "node:assert/strict";
import { appendFileSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { repeat } from "@tsilium/testkit";
import { encodeLine } from "./name-lines.ts";
import { temporaryFolder, TestNames, turns } from "./testing/names.ts";

const a = "203.0.113.1";
const b = "203.0.113.2";

/** Claims of an agent that starts on what is in the folder. */
async function restarted(folder: string, options: { bootId?: string; nowMs?: number } = {}) {
  using names = new TestNames({ folder, isInStep: false, ...options });
  return { claims: names.claims(), problem: names.problem };
}

function filled(folder: string): TestNames {
  const names = new TestNames({ folder });
  names.engine.setSelectors([{ matchName: "a.test" }, { matchPattern: "*.b.test" }]);
  names.answer("a.test", [a], { aliases: ["x.b.test"] });
  names.answer("y.b.test", [b, "2001:db8::1"], { client: "10.244.0.2" });
  return names;
}

const all = [
  "2001:db8::1 fqdn:*.b.test,reserved:world-ipv6",
  `${a} fqdn:*.b.test,fqdn:a.test,reserved:world-ipv4`,
  `${b} fqdn:*.b.test,reserved:world-ipv4`,
];

test("an agent that starts again claims all that it had claimed, before policy is in step", async () => {
  using folder = temporaryFolder();
  using names = filled(folder.path);
  await turns();
  assert.deepEqual(names.claims(), all);
  const before = [...names.ipcache.table.values()].map(
    ({ prefix, identity }) => `${prefix} ${identity}`,
  );
  using again = new TestNames({ folder: folder.path, isInStep: false });
  assert.deepEqual(again.claims(), all);
  const after = [...again.ipcache.table.values()].map(
    ({ prefix, identity }) => `${prefix} ${identity}`,
  );
  assert.deepEqual(after.sort(), before.sort());
});

test("an answer is written down before it goes to its pod", () => {
  using folder = temporaryFolder();
  using names = new TestNames({ folder: folder.path });
  let written = "";
  names.engine.resolved(
    [
      {
        id: 1,
        client: "10.244.0.1",
        name: "a.test",
        aliases: [],
        addresses: [{ address: a, ttlS: 60 }],
        atMs: names.nowMs,
      },
    ],
    () => (written = readFileSync(join(folder.path, "names.jsonl"), "utf8")),
  );
  assert.match(written, /203\.0\.113\.1/);
});

test("what went does not come back, what lasts longer is written down again", async () => {
  using folder = temporaryFolder();
  using names = filled(folder.path);
  names.engine.clean(({ name }) => name === "y.b.test");
  assert.deepEqual((await restarted(folder.path)).claims, [all[1]]);
  const linesBefore = names.file?.lines ?? 0;
  for (let at = 0; at < 10; at++) {
    names.nowMs += 5000;
    names.answer("a.test", [a]);
  }
  assert.equal((names.file?.lines ?? 0) - linesBefore, 1);
});

test("the file is written anew while answers come", async () => {
  using folder = temporaryFolder();
  using names = filled(folder.path);
  for (let at = 0; at < 9000; at++)
    names.answer(`n${at}.b.test`, [`198.51.${at >> 8}.${at & 0xff}`], { client: "10.244.0.3" });
  const done = names.engine.rewrite();
  await new Promise((resolve) => setImmediate(resolve));
  names.engine.clean(({ address }) => address === "198.51.0.0");
  names.answer("late.b.test", ["198.51.100.200"]);
  assert.ok(names.file?.isBeingWritten);
  await done;
  names.answer("later.b.test", ["198.51.100.201"]);
  const expected = names.claims();
  assert.equal(expected.length, 9004);
  assert.ok((names.file?.lines ?? 0) < 1000);
  assert.deepEqual((await restarted(folder.path)).claims, expected);
  assert.deepEqual(readdirSync(folder.path), ["names.jsonl"]);
  assert.equal(statSync(join(folder.path, "names.jsonl")).mode & 0o777, 0o600);
});

test("on another boot what was over is over, and what is not still holds", async () => {
  using folder = temporaryFolder();
  using names = filled(folder.path);
  names.nowMs += 61_000;
  names.answer("a.test", [a]);
  const { nowMs } = names;
  const sameBoot = await restarted(folder.path, { nowMs });
  assert.deepEqual(sameBoot.claims, all);
  const nextBoot = await restarted(folder.path, { nowMs, bootId: "boot-2" });
  assert.deepEqual(nextBoot.claims, [`${a} fqdn:a.test,reserved:world-ipv4`]);
});

test("a last line that was not written to its end is dropped, what follows is read", async () => {
  using folder = temporaryFolder();
  filled(folder.path)[Symbol.dispose]();
  const path = join(folder.path, "names.jsonl");
  appendFileSync(path, '{"entries":[[1,"torn.b.te');
  {
    using names = new TestNames({ folder: folder.path });
    names.answer("z.b.test", ["203.0.113.3"]);
  }
  const { claims, problem } = await restarted(folder.path);
  assert.equal(problem, undefined);
  assert.deepEqual(claims, [...all, "203.0.113.3 fqdn:*.b.test,reserved:world-ipv4"]);
});

const garbage: readonly (readonly [what: string, line: string])[] = [
  ["no JSON", "{\n"],
  ["a wrong checksum", encodeLine({ selectors: ["a.test"] }).replace("a.test", "b.test")],
  [
    "an address that is none",
    encodeLine({ entries: [[1, "a", "203.0.113.999", 1, [], 0, 60, 9]] }),
  ],
  [
    "an address in another form",
    encodeLine({ entries: [[1, "a", "2001:DB8::1", 1, [], 0, 60, 9]] }),
  ],
  ["a time that is none", encodeLine({ entries: [[1, "a", a, 1, [], null, 60, 9]] })],
  ["a row too short", encodeLine({ entries: [[1, "a", a]] })],
  ["a selector that is none", encodeLine({ selectors: ["A.test"] })],
  ["a number for a name", encodeLine({ removed: [[1, 2, a]] })],
  ["another format", encodeLine({ format: 2, bootId: "boot-1" })],
  ["another kind of line", encodeLine({ names: [] })],
  ["a list for a line", encodeLine([])],
];
for (const [what, line] of garbage)
  test(`a file with ${what} is set aside whole, and names start empty`, async () => {
    using folder = temporaryFolder();
    filled(folder.path)[Symbol.dispose]();
    appendFileSync(join(folder.path, "names.jsonl"), line);
    const first = await restarted(folder.path);
    assert.deepEqual(first.claims, []);
    assert.match(first.problem ?? "", /^line [0-9]+ is not what an agent writes$/);
    assert.deepEqual(readdirSync(folder.path).sort(), ["names.jsonl", "names.jsonl.corrupt"]);
    assert.equal((await restarted(folder.path)).problem, undefined);
  });

test("whatever bytes of the file are others, no address is claimed that was not there", async () => {
  using folder = temporaryFolder();
  filled(folder.path)[Symbol.dispose]();
  const path = join(folder.path, "names.jsonl");
  const original = readFileSync(path);
  const known = new Set([`a.test ${a}`, `x.b.test ${a}`, `y.b.test ${b}`, "y.b.test 2001:db8::1"]);
  repeat({ runs: 200 }, (random) => {
    const bytes = Buffer.from(original);
    for (let count = 1 + random.below(3); count > 0; count--)
      bytes[random.below(bytes.length)] = random.below(256);
    writeFileSync(
      path,
      bytes.subarray(0, random.chance(0.3) ? random.below(bytes.length) : undefined),
    );
    using names = new TestNames({ folder: folder.path, isInStep: false });
    const entries = new Set(
      [...names.book.entries()].map(({ name, address }) => `${name} ${address}`),
    );
    assert.ok(entries.isSubsetOf(known), [...entries].join());
  });
});
