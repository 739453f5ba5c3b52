import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { testCluster } from "../compiler/cluster.ts";
import { findTestFiles, loadTestFile, parseTestFile } from "./load.ts";
import { runTestFile } from "./run.ts";

const example = join(import.meta.dirname, "../../../../docs/examples/policy-tests");

test("the example's YAML tests pass", async () => {
  const [path = ""] = findTestFiles(example);
  const { results } = await runTestFile(path, loadTestFile(path), testCluster);
  assert.deepEqual(
    results.filter(({ passed }) => !passed),
    [],
  );
  assert.ok(results.length >= 7);
});

test("the examples of policy at L7 let through what their tests say", async () => {
  let count = 0;
  for (const path of findTestFiles(join(example, "../policy-l7"))) {
    const { results } = await runTestFile(path, loadTestFile(path), testCluster);
    const failed = results.filter(({ passed }) => !passed);
    assert.deepEqual(failed, [], path);
    count += results.length;
  }
  assert.equal(count, 13);
});

test("a failure names every combination that is not as expected, a slip in a test fails that test", async () => {
  const file = parseTestFile(
    `
manifests: [policies/*.yaml]
pods: { shop/a: , shop/b: , shop/database: { labels: { app: database } } }
tests:
  - { from: [shop/a, shop/database], to: [shop/b, world], port: [80, 53/udp], expect: allow }
  - { from: shop/a, to: nowhere, port: 80, expect: deny }
  - { from: shop/a, to: shop/nobody, port: 80, expect: deny }
  - { name: by somebody else, from: shop/a, to: shop/b, port: 80, expect: deny, by: { name: x } }
  - { from: kube-apiserver, to: shop/a, port: icmp, expect: deny }
`,
    "x.test.yaml",
  );
  const { results } = await runTestFile(join(example, "x.test.yaml"), file, testCluster);
  const [all, nowhere, nobody, by, last] = results;
  assert.equal(all?.name, "shop/a, shop/database -> shop/b, world 80, 53/udp: allow");
  assert.equal(all?.message?.match(/^expected /gm)?.length, 8);
  assert.match(nowhere?.message ?? "", /"nowhere" is no pod/);
  assert.match(nobody?.message ?? "", /there is no pod shop\/nobody/);
  assert.match(by?.message ?? "", /to be denied by a policy x /);
  assert.equal(last?.message, undefined);
  assert.ok(last?.passed);
});
