// generic-veth: interfaces that Debian's ptp and bridge plugins made, taken over by the real plugin and agent.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { resources } from "@tsilium/kube";
import { projectRoot } from "@tsilium/syscall";
import { type CniResult, Runtime, type TestPod } from "../testing/runtime.ts";

const path = join(projectRoot(), ".toolchain/debian/usr/lib/cni");

/** Runs another plugin on the node as a runtime would. */
async function other(
  runtime: Runtime,
  command: "ADD" | "DEL",
  { pod, config }: { readonly pod: TestPod; readonly config: { readonly type: string } },
): Promise<CniResult | undefined> {
  const plugin = runtime.node.netns.run(() =>
    spawn(join(path, config.type), [], {
      env: {
        CNI_COMMAND: command,
        CNI_CONTAINERID: pod.id,
        CNI_NETNS: pod.netns.path,
        CNI_IFNAME: "eth0",
        CNI_PATH: path,
        PATH: process.env["PATH"],
      },
      stdio: ["pipe", "pipe", "inherit"],
    }),
  );
  let output = "";
  plugin.stdout.setEncoding("utf8").on("data", (chunk: string) => (output += chunk));
  plugin.stdin.on("error", () => undefined).end(JSON.stringify(config));
  const [status] = (await once(plugin, "close")) as [number | null];
  assert.equal(status, 0, output);
  return output === "" ? undefined : (JSON.parse(output) as CniResult);
}

const answers = (pod: TestPod | Runtime["node"], address: string): boolean =>
  pod.netns.run(() => spawnSync("ping", ["-c", "1", "-W", "1", address])).status === 0;

async function until(check: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + 8_000;
  while (!(await check())) {
    assert.ok(Date.now() < deadline, `it never came about: ${what}`);
    await sleep(50);
  }
}

const addressesIn = (result: CniResult) =>
  result.ips.map(({ address }) => address.split("/")[0] as string);

test("interfaces of ptp and of bridge are taken over, held to policy, and left to their plugins", async (t) => {
  if (!existsSync(join(path, "ptp"))) return t.skip("there are no CNI plugins of Debian's");
  const dataDir = mkdtempSync(join(tmpdir(), "tsit-chained-"));
  await using cleanUp = new AsyncDisposableStack();
  cleanUp.defer(() => rmSync(dataDir, { recursive: true, force: true }));
  const runtime = cleanUp.use(
    await Runtime.up({ config: { "cni-chaining-mode": "generic-veth" } }),
  );
  const ipam = (ipv4: string, ipv6: string) => ({
    type: "host-local",
    dataDir,
    ranges: [[{ subnet: ipv4 }], [{ subnet: ipv6 }]],
    routes: [{ dst: "0.0.0.0/0" }, { dst: "::/0" }],
  });
  const common = { cniVersion: "1.0.0", name: "chain" };
  const ptp = { ...common, type: "ptp", ipam: ipam("10.21.0.0/24", "fd00:21::/112") };
  const bridge = {
    ...common,
    type: "bridge",
    bridge: "cni0",
    isGateway: true,
    ipam: ipam("10.22.0.0/24", "fd00:22::/112"),
  };
  const before = await runtime.holdings();

  const chained = async (config: typeof ptp | typeof bridge, labels: Record<string, string>) => {
    const pod = await runtime.pod(labels);
    const previous = (await other(runtime, "ADD", { pod, config })) as CniResult;
    const result = await runtime.add(pod, { ...common, prevResult: previous });
    // Nothing of the other plugin's answer is lost.
    assert.deepEqual(result, previous);
    return { pod, config, previous, addresses: addressesIn(previous) };
  };
  const first = await chained(ptp, { app: "client" });
  const second = await chained(bridge, { app: "server" });
  const third = await chained(bridge, { app: "client" });

  const endpoints = await runtime.endpoints();
  assert.equal(endpoints.length, before.endpoints + 3);
  for (const [from, to] of [
    [first, second],
    [second, first],
    [second, third],
    [third, second],
  ] as const)
    for (const address of to.addresses)
      assert.ok(answers(from.pod, address), `${from.addresses} to ${address}`);
  for (const { addresses } of [first, second, third])
    for (const address of addresses)
      assert.ok(answers(runtime.node, address), `the node to ${address}`);
  assert.ok(answers(second.pod, "172.18.0.2"), "a pod to its node");

  // Policy holds them: of the same bridge too.
  const { client } = runtime.cluster;
  const signal = AbortSignal.timeout(20_000);
  await client.create(
    resources.networkPolicies,
    {
      metadata: { name: "closed", namespace: "default" },
      spec: { podSelector: { matchLabels: { app: "server" } }, policyTypes: ["Ingress"] },
    },
    { namespace: "default", signal },
  );
  const [ipv4 = "", ipv6 = ""] = second.addresses;
  await until(() => !answers(third.pod, ipv4) && !answers(third.pod, ipv6), "denied on its bridge");
  assert.ok(!answers(first.pod, ipv4) && !answers(first.pod, ipv6), "denied from elsewhere");
  assert.ok(answers(runtime.node, ipv4), "the node reaches its pods");
  assert.ok(answers(third.pod, first.addresses[0] as string), "others are not held to it");

  // As ADD left it, by its own answer; over a restart too.
  await runtime.node.stop("SIGKILL");
  await runtime.node.start();
  for (const { pod, previous } of [first, second]) {
    const check = { ...pod.options, ...common, prevResult: previous };
    assert.deepEqual(await runtime.node.cni("CHECK", pod.id, check), { status: 0, output: "" });
  }
  assert.ok(!answers(third.pod, ipv4), "denied after a restart");
  await client.delete(resources.networkPolicies, "closed", { namespace: "default", signal });
  await until(() => answers(third.pod, ipv4), "allowed again");

  // A second container with an address that is taken: another plugin's mistake.
  const thief = await runtime.pod();
  const stolen = {
    ...bridge,
    ipam: { type: "static", addresses: [{ address: `${ipv4}/24`, gateway: "10.22.0.1" }] },
  };
  const wrong = await other(runtime, "ADD", { pod: thief, config: stolen });
  assert.equal(
    await runtime.failure("ADD", thief.id, { ...thief.options, ...common, prevResult: wrong }),
    "107 the address is another pod's already",
  );
  await other(runtime, "DEL", { pod: thief, config: stolen });
  assert.equal(
    await runtime.failure("ADD", thief.id, { ...thief.options, ...common }),
    "7 prevResult is missing",
  );

  // DEL forgets the pod and leaves the interface to whose it is.
  for (const { pod, config } of [first, second, third]) {
    await runtime.remove(pod);
    assert.ok(pod.netns.rtnl.links.get("eth0"), "the interface is the other plugin's");
    await other(runtime, "DEL", { pod, config });
  }
  const after = await runtime.holdings();
  assert.deepEqual(
    { ...after, links: after.links.filter((name) => name !== "cni0"), descriptors: 0 },
    { ...before, descriptors: 0 },
  );
  assert.deepEqual(runtime.severeLogLines(), []);
});
