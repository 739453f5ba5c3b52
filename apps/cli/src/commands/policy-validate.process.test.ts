// What `tsilium policy validate` and `lint` say of files, and how they end.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { CommandError } from "../failure.ts";
import { checkPolicies } from "../policy/check.ts";
import { parseDocuments, readDocuments } from "../policy/documents.ts";
import { lint } from "../policy/lint.ts";
import { renderLint, renderReport } from "../policy/render.ts";
import { offlineWorld } from "../policy/world.ts";
import { requirePolicies } from "./policy-validate.ts";

const folder = mkdtempSync(join(tmpdir(), "tsilium-cli-"));
after(() => rmSync(folder, { recursive: true }));

const read = (...files: string[]) => readDocuments(files.map((file) => join(folder, file)));
const short = (lines: readonly string[]) => lines.map((line) => line.replaceAll(`${folder}/`, ""));

function validated(...files: string[]) {
  const { output, notes } = renderReport(checkPolicies(read(...files)));
  return { output: short(output), notes: short(notes) };
}

function linted(...files: string[]) {
  const { output, notes } = renderLint(lint(read(...files), offlineWorld()));
  return { output: short(output), notes: short(notes) };
}

/** Runs the command itself, where no agent is to be found. */
function tsilium(args: readonly string[], input = "") {
  const main = join(import.meta.dirname, "../main.ts");
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, "policy", ...args], {
    cwd: folder,
    env: { PATH: process.env["PATH"] ?? "", TSILIUM_LAB: "none-of-that-name" },
    input,
    encoding: "utf8",
  });
  return { status, stdout, stderr };
}

function write(name: string, text: string): void {
  mkdirSync(join(folder, name, ".."), { recursive: true });
  writeFileSync(join(folder, name), text);
}

write(
  "good/web.yaml",
  `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: web, namespace: shop }
spec:
  endpointSelector: { matchLabels: { app: web } }
  ingress:
    - fromEndpoints: [{ matchLabels: { app: client } }]
      toPorts: [{ ports: [{ port: "80", protocol: TCP }] }]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: dns }
spec: { podSelector: {}, egress: [{ ports: [{ port: 53, protocol: UDP }] }] }
`,
);
write(
  "good/deep/more.json",
  JSON.stringify({
    apiVersion: "v1",
    kind: "List",
    items: [
      {
        apiVersion: "cilium.io/v2",
        kind: "CiliumCIDRGroup",
        metadata: { name: "office" },
        spec: { externalCIDRs: ["192.0.2.0/24"] },
      },
      {
        apiVersion: "policy.networking.k8s.io/v1alpha2",
        kind: "ClusterNetworkPolicy",
        metadata: { name: "admin" },
        spec: {
          tier: "Admin",
          priority: 1,
          subject: { namespaces: {} },
          ingress: [{ action: "Deny", from: [{ namespaces: { matchLabels: { team: "x" } } }] }],
        },
      },
    ],
  }),
);
write(
  "bad.yaml",
  `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata:
  name: typo
spec:
  endpointSelector: {}
  ingress:
    - fromEndpoints: [{}]
      toPort:
        - ports: [{ port: "80" }]
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
---
apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: { name: wide }
spec:
  endpointSelector: {}
  egress:
    - toCIDRSet:
        - cidr: 10.0.0.0/8
          except: [10.1.0.0/16, 11.0.0.0/16]
      toPorts:
        - ports:
            - port: "80"
              protocol: TPC
---
apiVersion: cilium.io/v1
kind: CiliumNetworkPolicy
metadata: { name: old }
`,
);
write("broken.yaml", "a: 1\n\tb: 2\n");
write("other.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: c }\n");
write(
  "odd.yaml",
  `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: odd, namespace: shop }
spec:
  endpointSelector: {}
  ingressDeny:
    - fromEndpoints: [{}]
  ingress:
    - fromEndpoints:
        - matchLabels: { app: client }
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: never, namespace: shop }
spec:
  podSelector: {}
  policyTypes: [Ingress]
  egress: [{}]
`,
);

test("valid policies of files and folders are counted", () => {
  assert.deepEqual(validated("good"), { output: ["4 policies valid"], notes: [] });
});

test("what is wrong is told by file, line, field and reason; other kinds are passed over", () => {
  assert.deepEqual(validated("bad.yaml", "good/web.yaml"), {
    output: [
      'bad.yaml:9: spec.ingress[0].toPort: unknown field, did you mean "toPorts"?',
      'bad.yaml:24: spec.egress[0].toCIDRSet[0].except[1]: Invalid value: "11.0.0.0/16": is not inside 10.0.0.0/8',
      'bad.yaml:28: spec.egress[0].toPorts[0].ports[0].protocol: Invalid value: "TPC": must be one of TCP, UDP, SCTP, ANY',
      "bad.yaml:30: apiVersion: Unsupported value: supported values: cilium.io/v2",
      "3 of 5 policies are invalid",
    ],
    notes: ["bad.yaml:12: Deployment web is no policy: passed over"],
  });
});

test("warnings stand beside the rest and make nothing invalid", () => {
  const { output, notes } = validated("odd.yaml");
  assert.deepEqual(output, ["2 policies valid"]);
  assert.match(notes[0] ?? "", /^odd\.yaml:18: warning: spec\.egress: has no effect: .*Egress/);
});

test("a text that is no YAML is told, and the others are judged", () => {
  const { output } = validated("broken.yaml", "good/web.yaml");
  assert.match(output[0] ?? "", /^broken\.yaml:2: no YAML: /);
  assert.equal(output[1], "1 text cannot be read, 2 policies valid");
});

test("nothing to judge is a failure, and so is a file that is not there", () => {
  const report = checkPolicies(read("other.yaml"));
  assert.throws(() => requirePolicies(report, ["other.yaml"]), /no policy in other\.yaml/);
  assert.throws(() => read("nowhere.yaml"), CommandError);
  mkdirSync(join(folder, "empty"));
  assert.throws(() => read("empty"), /no \.yaml, \.yml or \.json file in/);
});

/** Objects that are odd as a whole. */
const shapes: readonly (readonly [string, string, RegExp])[] = [
  ["no object", "just text\n", /something without a kind is no policy/],
  ["a list", "- a\n", /something without a kind is no policy/],
  ["a kind that is a number", "apiVersion: cilium.io/v2\nkind: 7\n", /without a kind is no policy/],
];

for (const [sentence, text, note] of shapes) {
  test(`passed over: ${sentence}`, () => {
    const { notes } = renderReport(checkPolicies(parseDocuments(text, "f")));
    assert.match(notes[0] ?? "", note);
  });
}

test("metadata of any shape is judged and breaks nothing", () => {
  for (const metadata of [
    "7",
    "[]",
    "{name: 7}",
    "{name: {toString: 1}}",
    "{labels: [a]}",
    "null",
  ]) {
    const text = `apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: ${metadata}\n`;
    const { policies } = checkPolicies(parseDocuments(text, "f"));
    assert.equal(policies[0]?.valid, false, metadata);
  }
});

test("lint tells what a deny covers and what the parser finds odd, by place", () => {
  const { output, notes } = linted("odd.yaml");
  assert.deepEqual(notes, []);
  assert.match(output[0] ?? "", /^odd\.yaml:9: spec\.ingress\[0\]: .* \(shadowed-by-deny\)$/);
  assert.match(output.at(-1) ?? "", /^odd\.yaml:18: spec\.egress: has no effect: .* \(odd\)$/);
});

test("lint finds nothing where there is nothing to find", () => {
  assert.deepEqual(linted("good"), { output: ["nothing found"], notes: [] });
});

test("lint judges what is valid, and names what is not", () => {
  const { output, notes } = linted("bad.yaml", "odd.yaml");
  assert.match(notes[0] ?? "", /^bad\.yaml:9: invalid: spec\.ingress\[0\]\.toPort: /);
  assert.match(output[0] ?? "", /shadowed-by-deny/);
});

test("an object that is there twice is told", () => {
  assert.match(
    linted("good/web.yaml", "good/web.yaml").output[0] ?? "",
    /^good\/web\.yaml:1: CiliumNetworkPolicy shop\/web: is in .*web\.yaml:1 already: .* \(repeated\)$/,
  );
});

test("validate reads standard input, answers in JSON, and ends with status 1 for what is wrong", () => {
  const input = JSON.stringify({
    apiVersion: "cilium.io/v2",
    kind: "CiliumCIDRGroup",
    metadata: { name: "g" },
    spec: { externalCIDRs: ["10.0.0.0/33"] },
  });
  const { status, stdout } = tsilium(["validate", "-f", "-", "-o", "json"], input);
  assert.equal(status, 1);
  assert.deepEqual(JSON.parse(stdout), {
    valid: false,
    policies: [
      {
        file: "stdin",
        line: 1,
        kind: "CiliumCIDRGroup",
        name: "g",
        valid: false,
        problems: [
          {
            path: "spec.externalCIDRs[0]",
            message: 'Invalid value: "10.0.0.0/33": is no block of addresses',
            line: 1,
          },
        ],
        warnings: [],
      },
    ],
    skipped: [],
    unreadable: [],
  });
});

test("what is printed cannot rewrite a terminal", () => {
  const { stdout } = tsilium(
    ["validate", "-f", "-"],
    'apiVersion: cilium.io/v2\nkind: CiliumCIDRGroup\nmetadata: {name: g}\nspec: {externalCIDRs: ["\\e[1Aok"]}\n',
  );
  assert.match(stdout, /^stdin:4: /);
  assert.ok(!stdout.includes("\u001b"));
});

test("lint --strict ends with status 1 when something is found; against a cluster it needs an agent", () => {
  assert.equal(tsilium(["lint", "-f", "odd.yaml", "--strict"]).status, 1);
  const { status, stderr } = tsilium(["lint", "-f", "good", "--against-cluster"]);
  assert.equal(status, 1);
  assert.match(stderr, /no agent/);
});
