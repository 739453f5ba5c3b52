// Policy tests as users write them, with real packets: the vocabulary's own suite in a lab, the example project, and
// what happens when enforcement is missing.
import assert, { AssertionError } from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { expect, labCluster, type LabOptions } from "@tsilium/policy-test";
import { clusterSuite } from "../../packages/policy-test/src/testing/suite.ts";
import { echoPod, Lab, manifests, namespaceManifest, root, run } from "./harness.ts";
import { Monitor } from "./monitor.ts";

const tsilium = join(root, "tsilium");
const lab = (options: LabOptions) => labCluster({ ...options, tsilium });
const example = "docs/examples/policy-tests";

describe("a lab does what every cluster does", () => clusterSuite(lab));

const isolate = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: isolate, namespace: shop }
spec: { podSelector: {}, policyTypes: [Ingress] }
`;

test("with enforcement switched off, a test that expects a denial fails by what packets did", async () => {
  await using cluster = await lab({
    manifests: [isolate],
    pods: { "shop/a": { node: "node-1" }, "shop/b": { node: "node-2" } },
    settings: { "enable-policy": "never" },
  });
  const expectation = expect(cluster.pod("shop/a")).not.toReach(cluster.pod("shop/b"), 80);
  await assert.rejects(expectation, (error) => {
    assert.ok(error instanceof AssertionError);
    assert.match(error.message, /packets: connected/);
    return true;
  });
});

test("the example's YAML tests pass in a lab", async () => {
  const passed = await run(tsilium, ["policy", "test", example, "--lab", "-o", "tap"], {
    timeoutMs: 180_000,
  });
  assert.equal(passed.status, 0, `${passed.stdout}${passed.stderr}`);
  assert.match(passed.stdout, /^1\.\.7$/m);
});

test("the example's TypeScript tests pass in a lab", async () => {
  // Inside of a test `node --test` does nothing, unless it is not told.
  const command = ["-u", "NODE_TEST_CONTEXT", process.execPath, "--test", `${example}/*.test.ts`];
  const passed = await run("env", command, {
    env: { LAB: "1", TSILIUM: tsilium },
    timeoutMs: 180_000,
  });
  assert.equal(passed.status, 0, `${passed.stdout}${passed.stderr}`);
  assert.match(passed.stdout, /pass 6$/m);
});

describe("what an agent says of policy", () => {
  let lab: Lab;
  let addresses: Record<string, string>;
  before(async () => {
    lab = await Lab.up({ name: `t${process.pid}say` });
    await lab.apply(
      manifests(
        namespaceManifest("shop"),
        ...[
          ["frontend", "node-1"],
          ["backend", "node-2"],
        ].map(([name = "", node = ""]) =>
          echoPod({ name, namespace: "shop", node, labels: { app: name } }),
        ),
      ),
    );
    await lab.wait("shop");
    await lab.apply(backendOnly);
    await lab.lab("wait", "--for", "policy");
    const pods = await lab.pods("shop");
    addresses = Object.fromEntries(
      pods.map(({ metadata, status }) => [metadata.name, status.podIPs?.[0]?.ip ?? ""]),
    );
  });
  after(() => lab?.[Symbol.asyncDispose]());

  const ask = (...words: string[]) => lab.tsilium(["--node", "node-2", ...words]);
  const ref = { kind: "NetworkPolicy", namespace: "shop", name: "backend-only" };
  const ends = ["--from", "shop/frontend", "--to", "shop/backend"];
  const explain = (port: string, ...words: string[]) =>
    ask("policy", "explain", ...ends, "--port", port, ...words);

  test("explain answers in JSON with the rule, or with who isolates", async () => {
    const allowed = JSON.parse((await explain("8080/tcp", "-o", "json")).stdout);
    assert.equal(allowed.verdict, "allowed");
    assert.deepEqual(allowed.ingress.rules, [{ ...ref, path: "spec.ingress[0]" }]);
    assert.deepEqual(allowed.ingress.defaultDenyBy, []);
    const denied = JSON.parse((await explain("81/tcp", "-o", "json")).stdout);
    assert.equal(denied.verdict, "denied");
    assert.equal(denied.egress.verdict, "allowed");
    assert.deepEqual(denied.ingress.defaultDenyBy, [{ ...ref, path: "spec" }]);
  });

  test("explain in words shows the rule's lines, and the rule that is missing", async () => {
    assert.match((await explain("8080/tcp")).stdout, /\| {9}- port: 8080/);
    const { stdout } = await explain("81/tcp");
    assert.match(stdout, /denied by default: NetworkPolicy shop\/backend-only isolates it/);
    assert.match(stdout, /would allow it:\n {6}ingress:\n {8}- from:/);
    const wrong = await explain("81/gre");
    assert.equal(wrong.status, 1);
    assert.match(wrong.stderr, /"81\/gre" is no port/);
  });

  test("diff tells whose verdict changes, by its exit status too", async () => {
    const deny = JSON.stringify(denyFrontend);
    const run = (...words: string[]) =>
      lab.tsilium(["--node", "node-1", "policy", "diff", "-f", "-", ...words], { input: deny });
    const changed = await run();
    assert.equal(changed.status, 2, changed.stderr);
    assert.equal(
      changed.stdout,
      "shop/frontend -> shop/backend\n    8080/tcp  allowed -> denied  (CiliumNetworkPolicy shop/deny-frontend spec.ingressDeny[0])\n",
    );
    const same = await run("--delete");
    assert.equal(same.status, 0, same.stderr);
    assert.equal(same.stdout, "no verdict changes\n");
    const invalid = await lab.tsilium(["policy", "diff", "-f", "-"], {
      input: deny.replace("endpointSelector", "endpointSelecto"),
    });
    assert.equal(invalid.status, 1);
  });

  test("get names objects and whom they select; bpf policy get the kernel's entries by rule", async () => {
    const [object] = JSON.parse((await ask("policy", "get", "-o", "json")).stdout);
    assert.equal(object.name, "backend-only");
    assert.equal(object.valid, true);
    assert.deepEqual(object.selects, ["shop/backend"]);
    const endpoints = JSON.parse((await ask("endpoint", "list", "-o", "json")).stdout) as {
      id: number;
      pod?: { name: string };
      policy: { ingress: string; egress: string };
    }[];
    const backend = endpoints.find(({ pod }) => pod?.name === "backend");
    assert.deepEqual([backend?.policy.ingress, backend?.policy.egress], ["enforcing", "disabled"]);
    const entries = JSON.parse(
      (await ask("bpf", "policy", "get", String(backend?.id), "-o", "json")).stdout,
    ) as { direction: string; ports: string; verdict: string; ruleName: string }[];
    const told = entries.map(
      ({ direction, ports, verdict, ruleName }) => `${direction} ${ports} ${verdict} ${ruleName}`,
    );
    for (const wanted of [
      "ingress 8080 allow NetworkPolicy shop/backend-only spec.ingress[0]",
      "ingress any default-deny default deny of NetworkPolicy shop/backend-only",
      "egress any allow -",
    ])
      assert.ok(told.includes(wanted), told.join("\n"));
  });

  test("the monitor names the rule of a drop and, when asked, of what is allowed", async () => {
    await using monitor = new Monitor(lab, "node-2", ["--verdicts"]);
    const connect = (port: number) =>
      lab.exec(
        "shop",
        "frontend",
        `curl -s -m 1 http://${addresses["backend"]}:${port}/`.split(" "),
      );
    await monitor.listening(async () => void (await connect(8080)));
    await connect(81);
    await connect(8080);
    await monitor.settle(2);
    const told = monitor.events.map(({ kind, verdict, rule }) =>
      [kind, verdict, rule?.name].filter(Boolean).join(" "),
    );
    for (const wanted of [
      "drop default deny of NetworkPolicy shop/backend-only",
      "policy-verdict allow NetworkPolicy shop/backend-only spec.ingress[0]",
    ])
      assert.ok(told.includes(wanted), told.join("\n"));
  });
});

const backendOnly = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: backend-only, namespace: shop }
spec:
  podSelector: { matchLabels: { app: backend } }
  ingress: [{ from: [{ podSelector: { matchLabels: { app: frontend } } }], ports: [{ port: 8080 }] }]
`;

const denyFrontend = {
  apiVersion: "cilium.io/v2",
  kind: "CiliumNetworkPolicy",
  metadata: { name: "deny-frontend", namespace: "shop" },
  spec: {
    endpointSelector: { matchLabels: { app: "backend" } },
    ingressDeny: [{ fromEndpoints: [{ matchLabels: { app: "frontend" } }] }],
  },
};
