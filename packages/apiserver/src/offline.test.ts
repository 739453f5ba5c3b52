// Objects judged without a server: what one would say of them.
import { strict as assert } from "node:assert";
import { test } from "node:test";
import { OfflineJudge } from "./offline.ts";

const gadgets = {
  metadata: { name: "gadgets.test.tsilium.io" },
  spec: {
    group: "test.tsilium.io",
    scope: "Namespaced",
    names: { plural: "gadgets", kind: "Gadget" },
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: {
            type: "object",
            properties: { spec: { type: "object", properties: { size: { type: "integer" } } } },
          },
        },
      },
    ],
  },
};

const judge = new OfflineJudge({
  definitions: [gadgets],
  admissions: {
    "test.tsilium.io/Gadget": (object) => ({
      causes: [],
      warnings: "spec" in (object as object) ? [] : ["spec: is missing"],
    }),
  },
});

const gadget = (more: object) => ({
  apiVersion: "test.tsilium.io/v1",
  kind: "Gadget",
  metadata: { name: "g" },
  ...more,
});
const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "p" } };

/** sentence, object, fields of the causes and warnings; undefined for what is not known */
const cases: readonly (readonly [string, unknown, readonly string[] | undefined])[] = [
  ["a good object of a custom kind", gadget({ spec: { size: 1 } }), []],
  ["a bad one", gadget({ spec: { size: "1" } }), ["spec.size"]],
  ["an odd one", gadget({}), ["spec: is missing"]],
  ["a built-in kind", { ...pod, spec: { containers: [{ name: "c", image: "i" }] } }, []],
  ["a bad one of those", pod, ["spec"]],
  [
    "a name that is still to be made up",
    gadget({ metadata: { generateName: "g-" }, spec: {} }),
    [],
  ],
  ["no name", gadget({ metadata: {}, spec: {} }), ["metadata.name"]],
  ["a version there is none of", gadget({ apiVersion: "test.tsilium.io/v2" }), ["apiVersion"]],
  ["metadata of another type", gadget({ metadata: 7 }), [""]],
  ["a kind that is not known", gadget({ kind: "Widget" }), undefined],
  ["an apiVersion that is no text", gadget({ apiVersion: { toString: 1 } }), undefined],
  ["nothing", undefined, undefined],
  ["a list", [], undefined],
];

for (const [sentence, object, told] of cases) {
  test(`without a server: ${sentence}`, () => {
    const judgement = judge.judge(object);
    const said = judgement && [
      ...judgement.causes.map(({ field = "" }) => field),
      ...judgement.warnings,
    ];
    assert.deepEqual(said, told);
  });
}
