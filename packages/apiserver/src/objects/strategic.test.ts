// Strategic merge patches as kubectl makes them: target, patch, result.
import { strict as assert } from "node:assert";
import { test } from "node:test";
import { strategicPatch } from "./strategic.ts";
import { structureOf } from "./structure.ts";

const v1 = { name: "v1", schema: undefined };
const pods = structureOf({ group: "", kind: "Pod" }, v1);
const structures = {
  pods,
  services: structureOf({ group: "", kind: "Service" }, v1),
  slices: structureOf({ group: "discovery.k8s.io", kind: "EndpointSlice" }, v1),
  deployments: structureOf({ group: "apps", kind: "Deployment" }, v1),
};

const pod = (...containers: object[]) => ({ spec: { containers } });
const dnsPort = (protocol: string, targetPort: number) => ({ port: 53, protocol, targetPort });

/** sentence, target, patch, result, kind (a pod) */
const rows: readonly (readonly [string, unknown, unknown, unknown, (keyof typeof structures)?])[] =
  [
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
      "items come in the order that is asked for, others before what they preceded",
      pod({ name: "a" }, { name: "x" }, { name: "b" }),
      { spec: { "$setElementOrder/containers": [{ name: "b" }, { name: "a" }] } },
      pod({ name: "x" }, { name: "b" }, { name: "a" }),
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
      "services",
    ],
    [
      "and where a number is there for two protocols, by protocol",
      { spec: { ports: [dnsPort("TCP", 1), dnsPort("UDP", 1)] } },
      { spec: { ports: [{ port: 53, protocol: "UDP", targetPort: 2 }] } },
      { spec: { ports: [dnsPort("TCP", 1), dnsPort("UDP", 2)] } },
      "services",
    ],
    [
      "what kubectl sends to make a TCP port one of UDP",
      { spec: { ports: [dnsPort("TCP", 1)] } },
      { spec: { ports: [{ port: 53, protocol: "UDP" }] } },
      { spec: { ports: [dnsPort("UDP", 1)] } },
      "services",
    ],
    [
      "a change of a strategy takes what belonged to the old one",
      { spec: { strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1 } } } },
      { spec: { strategy: { $retainKeys: ["type"], type: "Recreate" } } },
      { spec: { strategy: { type: "Recreate" } } },
      "deployments",
    ],
    [
      "a volume's source is exchanged",
      { spec: { volumes: [{ name: "v", emptyDir: {} }] } },
      {
        spec: {
          volumes: [{ $retainKeys: ["name", "configMap"], name: "v", configMap: { name: "c" } }],
        },
      },
      { spec: { volumes: [{ name: "v", configMap: { name: "c" } }] } },
    ],
    [
      "nulls within what is new say nothing",
      { spec: {} },
      { spec: { securityContext: { runAsUser: null, runAsGroup: 1 } } },
      { spec: { securityContext: { runAsGroup: 1 } } },
    ],
    [
      "new items come where the patch has them, others where they were",
      pod({ name: "a" }, { name: "x" }, { name: "b" }),
      pod({ name: "n" }, { name: "b" }),
      pod({ name: "n" }, { name: "a" }, { name: "x" }, { name: "b" }),
    ],
    [
      "an EndpointSlice's are replaced",
      { ports: [{ port: 1 }] },
      { ports: [{ port: 2 }] },
      { ports: [{ port: 2 }] },
      "slices",
    ],
    [
      "finalizers are added and taken away",
      { metadata: { finalizers: ["a", "b"] } },
      { metadata: { finalizers: ["c"], "$deleteFromPrimitiveList/finalizers": ["a"] } },
      { metadata: { finalizers: ["c", "b"] } },
    ],
    [
      "an object is replaced, or keeps only what it is told to",
      { a: { b: 1, c: 2 }, d: { e: 1, f: 2 } },
      { a: { $patch: "replace", x: 1 }, d: { $retainKeys: ["f"] } },
      { a: { x: 1 }, d: { f: 2 } },
    ],
  ];
for (const [name, target, patch, expected, kind = "pods"] of rows) {
  test(`strategic merge: ${name}`, () => {
    const before = structuredClone(target);
    assert.deepEqual(strategicPatch(target, patch, structures[kind]), expected);
    assert.deepEqual(target, before, "the target is never changed");
  });
}

/** sentence, patch, message */
const refused: readonly (readonly [string, unknown, RegExp])[] = [
  ["an item without its key", pod({ image: "1" }), /does not contain declared merge key: name/],
  ["a directive that is none", { spec: { $patch: "keep" } }, /unknown patch type/],
  ["a patch that is a list", [], /is an object/],
  [
    "an order that the patch does not keep",
    {
      spec: {
        "$setElementOrder/containers": [{ name: "b" }, { name: "a" }],
        containers: [{ name: "a" }, { name: "b" }],
      },
    },
    /does not match/,
  ],
  [
    "a field that is set and not retained",
    { spec: { $retainKeys: ["a"], b: 1 } },
    /does not name b/,
  ],
];
for (const [name, patch, message] of refused)
  test(`strategic merge refuses ${name}`, () =>
    assert.throws(() => strategicPatch(pod({ name: "a" }), patch, pods), message));
