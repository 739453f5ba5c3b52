import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

const main = join(import.meta.dirname, "../main.ts");
const folder = mkdtempSync(join(tmpdir(), "policy-test-"));
after(() => rmSync(folder, { recursive: true }));

type Result = { readonly status: number; readonly stdout: string; readonly stderr: string };

function policyTest(...words: string[]): Promise<Result> {
  return new Promise((resolve) => {
    const args = [main, "policy", "test", ...words];
    execFile(process.execPath, args, { cwd: folder }, (error, stdout, stderr) =>
      resolve({ status: typeof error?.code === "number" ? error.code : 0, stdout, stderr }),
    );
  });
}

function write(name: string, text: string): void {
  writeFileSync(join(folder, name), text);
}

const tests = `
manifests: [isolate.yaml]
pods: { shop/a: , shop/b: }
tests:
  - { name: isolated, from: shop/a, to: shop/b, port: 80, expect: deny }
  - { name: not so, from: shop/a, to: shop/b, port: 80, expect: allow }
`;
const isolate = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: isolate, namespace: shop }
spec: { podSelector: {} }
`;

test("a test that fails says why, ends with status 1, and is in every report", async () => {
  write("isolate.yaml", isolate);
  write("shop.test.yaml", tests);
  const { status, stdout } = await policyTest(".", "--junit", "report.xml");
  assert.equal(status, 1);
  assert.match(stdout, /^ {2}ok {6}isolated$/m);
  assert.match(stdout, /^ {2}FAILED {2}not so$/m);
  assert.match(stdout, /denied by default: NetworkPolicy shop\/isolate isolates it/);
  assert.match(stdout, /1 of 2 tests failed/);
  assert.match(readFileSync(join(folder, "report.xml"), "utf8"), /tests="2" failures="1"/);
  const json = await policyTest("shop.test.yaml", "-o", "json");
  assert.equal(json.status, 1);
  assert.deepEqual(
    JSON.parse(json.stdout)[0].results.map(({ passed }: { passed: boolean }) => passed),
    [true, false],
  );
});

test("a fault in a test file or a policy is told by its path", async () => {
  write("isolate.yaml", isolate.replace("podSelector: {}", "podSelector: 7"));
  const policy = await policyTest("shop.test.yaml");
  assert.equal(policy.status, 1);
  assert.match(policy.stderr, /isolate\.yaml: NetworkPolicy\/shop\/isolate: spec\.podSelector: /);
  write("bad.test.yaml", tests.replace("expect: allow", "expect: maybe"));
  const file = await policyTest(".");
  assert.equal(file.status, 1);
  assert.match(
    file.stderr,
    /bad\.test\.yaml: tests\[1\]\.expect: must be one of allow, deny, audit/,
  );
});

test("tests of requests are refused for a lab before one starts", async () => {
  write("isolate.yaml", isolate);
  write("asks.test.yaml", tests.replace("name: not so,", "name: asks, http: { path: / },"));
  const { status, stdout, stderr } = await policyTest("asks.test.yaml", "--lab");
  assert.deepEqual([status, stdout], [1, ""]);
  assert.match(stderr, /asks\.test\.yaml has tests of requests \("asks"\), and a lab makes/);
});
