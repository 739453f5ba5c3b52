// An agent that is killed, stopped or left alone by the API server, and its return.
import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { resources } from "@tsilium/kube";
import { removeNetns } from "@tsilium/testkit";
import type { EndpointView } from "./rest/views.ts";
import { Runtime } from "./testing/runtime.ts";

let runtime: Runtime;
before(async () => {
  runtime = await Runtime.up();
});
after(() => runtime[Symbol.asyncDispose]());
// What a failed test left must not fail the next.
afterEach(() => runtime.clear());

/** Waits until these are the endpoints: a restored one is ready, under another subject, once policy is known again. */
async function comesTo(...expected: readonly (EndpointView | undefined)[]): Promise<void> {
  const lasting = (view: EndpointView | undefined) => ({ ...view, policy: undefined });
  const wanted = expected.map(lasting);
  const read = async () => (await runtime.endpoints()).map(lasting);
  const until = AbortSignal.timeout(20_000);
  while (!isDeepStrictEqual(await read(), wanted) && !until.aborted) await sleep(20);
  assert.deepEqual(await read(), wanted);
}

test("DELs that came while the agent was away are replayed, and it keeps everything else", async () => {
  const kept = await runtime.pod();
  const deleted = await runtime.pod();
  await runtime.add(kept);
  await runtime.add(deleted);
  const before = await runtime.endpointOf(kept.id);
  const flood = kept.netns.exec("ping", ["-c", "500", "-i", "0.005", "172.18.0.2"]);
  await runtime.node.stop("SIGKILL");
  assert.deepEqual(await runtime.node.cni("DEL", deleted.id, deleted.options), {
    status: 0,
    output: "",
  });
  assert.equal(
    readdirSync(join(runtime.node.runDir, "deleteQueue")).filter((name) => name.endsWith(".cni"))
      .length,
    1,
  );
  await runtime.node.start();
  assert.match((await flood).stdout, / 0% packet loss/);
  await comesTo(before);
  assert.deepEqual(
    deleted.netns.rtnl.links.list().map((link) => link.name),
    ["lo"],
  );
  assert.deepEqual(
    readdirSync(join(runtime.node.runDir, "deleteQueue")).filter((name) => name.endsWith(".cni")),
    [],
  );
  await runtime.remove(kept);
});

test("an agent that returns removes endpoints whose namespace or pod is gone, and half-made ones", async () => {
  const lostNamespace = await runtime.pod();
  const lostPod = await runtime.pod();
  const kept = await runtime.pod();
  for (const pod of [lostNamespace, lostPod, kept]) await runtime.add(pod);
  const keptView = await runtime.endpointOf(kept.id);
  await runtime.node.stop("SIGKILL");
  removeNetns(lostNamespace.netns.name);
  await runtime.cluster.client.delete(resources.pods, lostPod.name, {
    namespace: "default",
    gracePeriodSeconds: 0,
    signal: AbortSignal.timeout(5000),
  });
  await runtime.node.start();
  await comesTo(keptView);
  await runtime.remove(kept);
});

test("while the API server is away running pods stay, known labels can be added, and nothing is lost", async () => {
  const running = await runtime.pod({ app: "known" });
  const later = await runtime.pod({ app: "known" });
  const stranger = await runtime.pod({ app: "never-seen" });
  await runtime.add(running);
  await runtime.cluster.stopApi();
  await runtime.add(later);
  const { status } = await later.netns.exec("ping", ["-c1", "-W1", "172.18.0.2"]);
  assert.equal(status, 0);
  assert.equal(
    await runtime.failure("ADD", stranger.id, stranger.options),
    "11 the API server did not answer",
  );
  await runtime.node.stop("SIGKILL");
  await runtime.node.start();
  assert.equal((await runtime.endpoints()).length, 2);
  await runtime.remove(later);
  await runtime.cluster.startApi();
  await runtime.add(stranger);
  await runtime.remove(stranger);
  await runtime.remove(running);
});

test("a stopped agent lets go of its socket, and what is in the kernel stays", async () => {
  const pod = await runtime.pod();
  await runtime.add(pod);
  await runtime.node.stop("SIGTERM");
  assert.equal(existsSync(join(runtime.node.runDir, "tsilium.sock")), false);
  const { status } = await pod.netns.exec("ping", ["-c1", "-W1", "172.18.0.2"]);
  assert.equal(status, 0);
  assert.equal(await runtime.failure("STATUS", "none", {}), "50 the Tsilium agent does not answer");
  await runtime.node.start();
  await runtime.remove(pod);
});

test("nothing of this was an error of the agent's", () => {
  assert.deepEqual(runtime.severeLogLines(), []);
});
