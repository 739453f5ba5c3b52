import assert from "node:assert/strict";
import { test } from "node:test";
import { annotated, applyPatch } from "./apply.ts";
import type { Manifest } from "./manifests.ts";

const manifest = (spec: object, labels: Record<string, string> = {}): Manifest =>
  ({ apiVersion: "v1", kind: "Pod", metadata: { name: "p", labels }, spec }) as unknown as Manifest;
/** As the server has it: what was applied, and defaults. */
const live = (applied: Manifest, defaults: object = {}): Manifest => {
  const object = annotated(applied, "demo");
  return {
    ...object,
    metadata: { ...object.metadata, uid: "u" },
    spec: { ...(applied as { spec?: object }).spec, ...defaults },
  } as Manifest;
};
const patchOf = (before: Manifest, after: Manifest) => {
  const patch = applyPatch(before, annotated(after, "demo")) as
    | { metadata?: { annotations?: object }; spec?: object }
    | undefined;
  if (!patch) return undefined;
  const { annotations: _, ...metadata } = patch.metadata ?? {};
  return {
    ...(Object.keys(metadata).length > 0 ? { metadata } : {}),
    ...(patch.spec ? { spec: patch.spec } : {}),
  };
};

test("the same manifest again changes nothing, whatever defaults the server has added", () => {
  const wanted = manifest({ containers: [{ name: "c", ports: [{ containerPort: 80 }] }] });
  const before = live(wanted, {
    containers: [
      {
        name: "c",
        ports: [{ containerPort: 80, protocol: "TCP" }],
        imagePullPolicy: "IfNotPresent",
      },
    ],
    restartPolicy: "Always",
  });
  assert.equal(patchOf(before, wanted), undefined);
});

test("a changed field is set, a field that is no longer there is removed, others' fields stay", () => {
  const before = live(manifest({ a: 1, b: { x: 1, y: 2 } }, { app: "web", tier: "1" }), {
    other: true,
  });
  assert.deepEqual(patchOf(before, manifest({ a: 2, b: { x: 1 } }, { app: "web" })), {
    metadata: { labels: { tier: null } },
    spec: { a: 2, b: { y: null } },
  });
});

test("a list is replaced as a whole", () => {
  const before = live(manifest({ list: [1, 2] }));
  assert.deepEqual(patchOf(before, manifest({ list: [1] })), { spec: { list: [1] } });
});

test("a list whose items say less than they did is replaced: what they no longer say must not stay", () => {
  const before = live(manifest({ from: [{ namespaces: { ns: "y" }, pods: { pod: "b" } }] }));
  const wanted = { from: [{ namespaces: {} }] };
  assert.deepEqual(patchOf(before, manifest(wanted)), { spec: wanted });
});

test("what somebody else changed is put back", () => {
  assert.deepEqual(patchOf(live(manifest({ a: 1 }), { a: 9 }), manifest({ a: 1 })), {
    spec: { a: 1 },
  });
});
