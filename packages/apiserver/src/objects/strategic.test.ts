// Strategic merge patches as kubectl makes them: target, patch, result.
import { strict as assert } from "node:assert";
import { test } from "node:test";
import { strategicPatch } from "./strategic.ts";

const pod = (...containers: object[]) => ({ spec: { containers } });

const rows: readonly (readonly [string, unknown, unknown, unknown])[] = [
  [
    "fields merge and null removes",
    { a: 1, b: { c: 2, d: 3 } },
    { b: { c: null } },
    { a: 1, b: { d: 3 } },
  ],
  [
    "items of a merged list are found by their key",
    pod({ name: "a", image: "1" }, { name: "b", image: "1" }),
    pod({ name: "b", image: "2" }, { name: "c" }),
    pod({ name: "a", image: "1" }, { name: "b", image: "2" }, { name: "c" }),
  ],
  [
    "an item is deleted",
    pod({ name: "a" }, { name: "b" }),
    pod({ $patch: "delete", name: "a" }),
    pod({ name: "b" }),
  ],
  [
    "what is not there is deleted without a fuss",
    pod({ name: "a" }),
    pod({ $patch: "delete", name: "z" }),
    pod({ name: "a" }),
  ],
  [
    "a list is replaced",
    pod({ name: "a" }),
    pod({ name: "b" }, { $patch: "replace" }),
    pod({ name: "b" }),
  ],
  [
    "items come in the order that is asked for, others last",
    pod({ name: "a" }, { name: "x" }, { name: "b" }),
    { spec: { "$setElementOrder/containers": [{ name: "b" }, { name: "a" }] } },
    pod({ name: "b" }, { name: "a" }, { name: "x" }),
  ],
  [
    "other lists are replaced",
    { spec: { args: ["a", "b"] } },
    { spec: { args: ["c"] } },
    { spec: { args: ["c"] } },
  ],
  [
    "a container's ports are told apart by containerPort",
    pod({ name: "a", ports: [{ containerPort: 1 }] }),
    pod({ name: "a", ports: [{ containerPort: 1, name: "x" }, { containerPort: 2 }] }),
    pod({ name: "a", ports: [{ containerPort: 1, name: "x" }, { containerPort: 2 }] }),
  ],
  [
    "a service's ports by port",
    { spec: { ports: [{ port: 80, targetPort: 1 }] } },
    { spec: { ports: [{ port: 80, targetPort: 2 }] } },
    { spec: { ports: [{ port: 80, targetPort: 2 }] } },
  ],
  [
    "an EndpointSlice's are replaced",
    { ports: [{ port: 1 }] },
    { ports: [{ port: 2 }] },
    { ports: [{ port: 2 }] },
  ],
  [
    "finalizers are added and taken away",
    { metadata: { finalizers: ["a", "b"] } },
    { metadata: { finalizers: ["c"], "$deleteFromPrimitiveList/finalizers": ["a"] } },
    { metadata: { finalizers: ["b", "c"] } },
  ],
  [
    "an object is replaced, or keeps only what it is told to",
    { a: { b: 1, c: 2 }, d: { e: 1, f: 2 } },
    { a: { $patch: "replace", x: 1 }, d: { $retainKeys: ["f"] } },
    { a: { x: 1 }, d: { f: 2 } },
  ],
];
for (const [name, target, patch, expected] of rows) {
  test(`strategic merge: ${name}`, () => {
    const before = structuredClone(target);
    assert.deepEqual(strategicPatch(target, patch), expected);
    assert.deepEqual(target, before, "the target is never changed");
  });
}
