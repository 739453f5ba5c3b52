// Server-side apply against a slow twin that knows objects only as lists of paths, under random writers.
import { strict as assert } from "node:assert";
import { test } from "node:test";
import { ApiError } from "../errors.ts";
import { fromFieldsV1, pathsOf, pathText, toFieldsV1 } from "./field-set.ts";
import {
  apply,
  ownersAfterUpdate,
  readOwners,
  writeOwners,
  type Owner,
  type Writer,
} from "./managed-fields.ts";
import { structureOf } from "./structure.ts";

const text = { type: "string" };
const schema = {
  type: "object",
  properties: {
    spec: {
      type: "object",
      properties: {
        labels: { type: "object", additionalProperties: text },
        whole: { type: "array", items: text },
        tags: { type: "array", items: text, "x-kubernetes-list-type": "set" },
        items: {
          type: "array",
          "x-kubernetes-list-type": "map",
          "x-kubernetes-list-map-keys": ["name"],
          items: { type: "object", properties: { name: text, v: text, w: text } },
        },
      },
    },
  },
};
const structure = structureOf({ group: "test", kind: "Thing" }, { name: "v1", schema });

type Item = { name: string; v?: string; w?: string };
type Thing = {
  spec?: { labels?: Record<string, string>; whole?: string[]; tags?: string[]; items?: Item[] };
};

/** Path -> value of every field that somebody can own. */
function flat({ spec = {} }: Thing): Map<string, string> {
  const paths = new Map<string, string>();
  for (const [name, value] of Object.entries(spec.labels ?? {}))
    paths.set(`.spec.labels.${name}`, value);
  if (spec.whole) paths.set(".spec.whole", JSON.stringify(spec.whole));
  for (const tag of spec.tags ?? []) paths.set(`.spec.tags[=${JSON.stringify(tag)}]`, "");
  for (const item of spec.items ?? []) {
    const at = `.spec.items[name=${JSON.stringify(item.name)}]`;
    paths.set(at, "");
    for (const [name, value] of Object.entries(item)) paths.set(`${at}.${name}`, value);
  }
  return paths;
}

const isWithin = (path: string, item: string) => path.startsWith(`${item}.`);

/** Kubernetes' rules of ownership, path by path. */
class Twin {
  live = new Map<string, string>();
  owned = new Map<string, Set<string>>();

  update(who: string, next: ReadonlyMap<string, string>): void {
    const changed = [...next.keys()].filter((path) => this.live.get(path) !== next.get(path));
    const removed = [...this.live.keys()].filter((path) => !next.has(path));
    for (const path of [...changed, ...removed])
      for (const paths of this.owned.values()) paths.delete(path);
    const mine = this.owned.get(who) ?? new Set();
    for (const path of changed) mine.add(path);
    this.owned.set(who, mine);
    this.live = new Map(next);
  }

  /** False for a conflict. */
  apply(who: string, config: ReadonlyMap<string, string>, force: boolean): boolean {
    const last = this.owned.get(who) ?? new Set<string>();
    const others = [...this.owned].filter(([name]) => name !== who).map(([, paths]) => paths);
    const next = new Map([...this.live, ...config]);
    const isOwned = (path: string) => config.has(path) || others.some((paths) => paths.has(path));
    const gone = [...last].filter((path) => !isOwned(path));
    for (const path of next.keys())
      if (gone.some((each) => each === path || isWithin(path, each))) next.delete(path);
    const changed = [...next.keys()].filter((path) => next.get(path) !== this.live.get(path));
    if (!force && changed.some((path) => others.some((paths) => paths.has(path)))) return false;
    const removed = [...this.live.keys()].filter((path) => !next.has(path));
    for (const paths of others) for (const path of [...changed, ...removed]) paths.delete(path);
    this.owned.set(who, new Set(config.keys()));
    this.live = next;
    return true;
  }
}

/** Mulberry32: small, and the same everywhere. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

function randomThing(draw: (below: number) => number): Thing {
  const some = <T>(all: readonly T[]) => all.filter(() => draw(2) === 0);
  const spec: NonNullable<Thing["spec"]> = {};
  const value = () => String(draw(2));
  const labels = some(["a", "b", "c"]).map((name) => [name, value()] as const);
  if (labels.length > 0) spec.labels = Object.fromEntries(labels);
  if (draw(3) === 0) spec.whole = [value()];
  const tags = some(["x", "y"]);
  if (tags.length > 0) spec.tags = tags;
  const items = some(["i", "j"]).map((name) => ({
    name,
    ...(draw(2) === 0 ? { v: value() } : {}),
    ...(draw(2) === 0 ? { w: value() } : {}),
  }));
  if (items.length > 0) spec.items = items;
  return Object.keys(spec).length > 0 ? { spec } : {};
}

const writer = (manager: string, operation: Writer["operation"]): Writer => ({
  manager,
  operation,
  apiVersion: "test/v1",
  subresource: "",
});

/** What the twin knows of owners: not who brought a map or a list into being. */
function ownedPaths(owners: readonly Owner[]): Record<string, string[]> {
  const containers = [".spec", ".spec.labels", ".spec.tags", ".spec.items"];
  const entries = owners.map(({ manager, fields }): [string, string[]] => [
    manager,
    pathsOf(fields)
      .map(pathText)
      .filter((path) => !containers.includes(path))
      .sort(),
  ]);
  return Object.fromEntries(entries.filter(([, paths]) => paths.length > 0).sort());
}

function twinPaths(twin: Twin): Record<string, string[]> {
  const entries = [...twin.owned].map(([who, paths]): [string, string[]] => [
    who,
    [...paths].sort(),
  ]);
  return Object.fromEntries(entries.filter(([, paths]) => paths.length > 0).sort());
}

const sorted = (map: ReadonlyMap<string, string>) => [...map].sort();

test("random writers end with the objects and owners of a slow twin", () => {
  const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
  const draw = random(seed);
  const counts = { updates: 0, applies: 0, conflicts: 0 };
  for (let life = 0; life < 150; life++) {
    const twin = new Twin();
    let live: Thing = {};
    let owners: Owner[] = [];
    for (let step = 0; step < 20; step++) {
      const who = `m${draw(3)}`;
      const thing = randomThing(draw);
      const at = `seed ${seed}, life ${life}, step ${step}`;
      if (draw(4) === 0) {
        const name = `u${draw(2)}`;
        const made = { before: live, after: thing, structure, now: `t${step}` };
        owners = ownersAfterUpdate(owners, { ...made, writer: writer(name, "Update") });
        live = thing;
        twin.update(name, flat(thing));
        counts.updates += 1;
      } else {
        const force = draw(3) === 0;
        const step_ = { before: live, config: thing, structure, now: `t${step}`, force };
        const result = attempt(() => apply(owners, { ...step_, writer: writer(who, "Apply") }));
        assert.equal(
          result !== undefined,
          twin.apply(who, flat(thing), force),
          `${at}: a conflict`,
        );
        counts[result ? "applies" : "conflicts"] += 1;
        if (result) {
          owners = result.owners;
          live = result.object as Thing;
        }
      }
      assert.deepEqual(sorted(flat(live)), sorted(twin.live), `${at}: the object`);
      assert.deepEqual(ownedPaths(owners), twinPaths(twin), `${at}: its owners`);
      assert.deepEqual(readOwners(writeOwners(owners) ?? []), owners.toSorted(byTime), at);
    }
  }
  for (const [what, count] of Object.entries(counts)) assert.ok(count > 100, `${what}: ${count}`);
});

function byTime(left: Owner, right: Owner): number {
  const [a, b] = [left, right].map(({ operation, time, manager }) =>
    [operation, time, manager].join("\n"),
  ) as [string, string];
  return a < b ? -1 : 1;
}

/** Undefined for a conflict. */
function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof ApiError && error.status === 409) return undefined;
    throw error;
  }
}

test("fields are read as they are written, and what is none is not", () => {
  const fields = {
    "f:a": { ".": {}, "f:b": {}, 'k:{"n":1}': { ".": {}, "f:n": {} }, 'v:"x"': {} },
  };
  assert.deepEqual(toFieldsV1(fromFieldsV1(fields) ?? assert.fail()), fields);
  for (const wrong of [
    1,
    [],
    null,
    { a: {} },
    { "f:a": 1 },
    { "k:[]": {} },
    { "v:": {} },
    { "i:-1": {} },
    { "k:{": {} },
  ])
    assert.equal(fromFieldsV1(wrong), undefined, JSON.stringify(wrong));
});

test("entries that are none are refused together", () => {
  const good = { manager: "m", operation: "Update", fieldsType: "FieldsV1", fieldsV1: {} };
  assert.equal(readOwners([good])?.length, 1);
  for (const wrong of [
    {},
    { ...good, operation: "Own" },
    { ...good, fieldsType: "V2" },
    { ...good, manager: 1 },
    { ...good, time: 1 },
  ])
    assert.equal(readOwners([good, wrong]), undefined, JSON.stringify(wrong));
});
