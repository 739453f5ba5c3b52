import assert from "node:assert/strict";
import { test } from "node:test";
import { markedYaml } from "./marked-yaml.ts";

const object = {
  kind: "CiliumNetworkPolicy",
  spec: {
    endpointSelector: { matchLabels: { app: "a" } },
    ingress: [
      { fromEndpoints: [{}] },
      {
        fromEntities: ["world"],
        toPorts: [{ ports: [{ port: "80" }] }, { ports: [{ port: "81" }] }],
      },
    ],
    egress: [],
  },
};

function markedLines(path: string | undefined): string[] | undefined {
  const { yaml, marked } = markedYaml(object, path);
  return marked && yaml.split("\n").slice(marked.from, marked.to);
}

const rows: readonly (readonly [string, readonly string[]])[] = [
  ["spec.ingress[0]", ["    - fromEndpoints:", "        - {}"]],
  ["spec.ingress[1].toPorts[1]", ["        - ports:", "            - port: '81'"]],
  ["spec.endpointSelector", ["  endpointSelector:", "    matchLabels:", "      app: a"]],
  ["spec.egress", ["  egress: []"]],
  ["kind", ["kind: CiliumNetworkPolicy"]],
];
for (const [path, lines] of rows) {
  test(`the lines of ${path} are marked, and no others`, () => {
    assert.deepEqual(markedLines(path), lines);
  });
}

for (const path of [
  undefined,
  "spec.ingress[2]",
  "spec.no",
  "spec..ingress",
  "__proto__.x",
  "spec.ingress[-1]",
  "spec.kind.x",
])
  test(`${path} marks nothing`, () => assert.equal(markedLines(path), undefined));
