// Who may share an address with whom.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ServiceRequest } from "./model.ts";
import { incompatibility } from "./sharing.ts";

const base: ServiceRequest = {
  name: "x/a",
  namespace: "x",
  createdAt: "",
  labels: {},
  families: [4],
  requested: [],
  unreadable: [],
  sharingKey: "k",
  crossNamespace: [],
  ports: ["TCP/80"],
  externalTrafficPolicy: "Cluster",
  selector: { app: "a" },
};
type Change = Partial<ServiceRequest>;
const local = { externalTrafficPolicy: "Local" } as const;

/** sentence, one, the other (which has port 81), why not */
const rows: readonly (readonly [string, Change, Change, string | undefined])[] = [
  ["the same key", {}, {}, undefined],
  ["another key", {}, { sharingKey: "l" }, "different sharing key"],
  ["no key", { sharingKey: "" }, { sharingKey: "" }, "different sharing key"],
  ["the same port", {}, { ports: ["UDP/80", "TCP/80"] }, "same port and protocol"],
  ["the same port of another protocol", {}, { ports: ["UDP/80"] }, undefined],
  ["another namespace", {}, { namespace: "y" }, "different and not permitted namespace"],
  [
    "another namespace that permits it alone",
    {},
    { namespace: "y", crossNamespace: ["x"] },
    "different and not permitted namespace",
  ],
  [
    "namespaces that permit each other",
    { crossNamespace: ["y"] },
    { namespace: "y", crossNamespace: ["x"] },
    undefined,
  ],
  [
    "namespaces that permit all",
    { crossNamespace: ["*"] },
    { namespace: "y", crossNamespace: ["*"] },
    undefined,
  ],
  ["another traffic policy", {}, local, "different ExternalTrafficPolicy"],
  ["Local with the same pods", local, local, undefined],
  [
    "Local with other pods",
    local,
    { ...local, selector: { app: "b" } },
    "ExternalTrafficPolicy local but selecting different set of pods",
  ],
  [
    "Local with pods of another namespace",
    { ...local, crossNamespace: ["*"] },
    { ...local, namespace: "y", crossNamespace: ["*"] },
    "ExternalTrafficPolicy local but selecting different set of pods",
  ],
  [
    "Local with pods that nobody selects",
    local,
    { ...local, selector: {} },
    "ExternalTrafficPolicy local but a service has no selector",
  ],
];
for (const [sentence, one, other, why] of rows) {
  test(`sharing with ${sentence}`, () => {
    const [a, b] = [
      { ...base, ...one },
      { ...base, name: "x/b", ports: ["TCP/81"], ...other },
    ];
    assert.equal(incompatibility(a, b), why);
    assert.equal(incompatibility(b, a), why, "from the other side");
  });
}
