// A node under load: tens of thousands of flows a second. What is lost is counted exactly, at every place, no drop is lost because
// of what is forwarded, memory stays flat, and questions are answered meanwhile.
//
//   node-1: sender -> sink (whatever comes), sender -> guarded (isolated: drops)
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { Verdict } from "@tsilium/hubble/gen/flow/flow_pb.ts";
import { Background } from "./background.ts";
import {
  echoPod,
  Lab,
  manifests,
  namespaceManifest,
  processPid,
  root,
  soak,
  until,
} from "./harness.ts";
import { AgentClient, type Filter, kernelCounts, pendingBytes, Tally } from "./hubble/counts.ts";

import { namesOf } from "./hubble/names.ts";
import { ask, assertFlows } from "./hubble/traffic.ts";
import { Client } from "./services/requests.ts";
import { worldAddresses } from "./services/service-lab.ts";

const namespace = "load";
const node = "node-1";
const sinkPort = 9_000;
const guardedPort = 9_001;
/** A packet is told where it comes from and where it goes. */
const flowsPerPacket = 2;
const packetsPerSecond = 25_000;
const dropsPerSecond = 300;
const durationMs = soak ? 60_000 : 10_000;
/** Beyond what the kernel tells (100,000 a second and CPU), for a moment. */
const excessMs = 2_000;
/** Programs count what they tell by the second (bpf/lib/event.h). */
const rateWindowMs = 1_000;

let lab: Lab;
let client: AgentClient;
let sink: Background;
let addresses: Readonly<Record<"sink" | "guarded", string>>;

before(async () => {
  lab = await Lab.up({
    nodes: 1,
    name: `t${process.pid}hload`,
    set: { "monitor-aggregation": "none" },
  });
  const pod = (name: string) => echoPod({ name, namespace, node, labels: { app: name } });
  await lab.apply(
    manifests(
      namespaceManifest(namespace),
      pod("sender"),
      pod("sink"),
      pod("guarded"),
      JSON.stringify({
        apiVersion: "networking.k8s.io/v1",
        kind: "NetworkPolicy",
        metadata: { name: "guarded", namespace },
        spec: { podSelector: { matchLabels: { app: "guarded" } }, policyTypes: ["Ingress"] },
      }),
    ),
  );
  await lab.wait(namespace);
  assert.equal((await lab.lab("wait", "--for", "policy")).status, 0);
  const pods = await lab.pods(namespace);
  const address = (name: string) =>
    pods.find(({ metadata }) => metadata.name === name)?.status.podIPs?.[0]?.ip ?? "";
  addresses = { sink: address("sink"), guarded: address("guarded") };
  client = new AgentClient(lab, node);
  const command = [join(root, "dist/bin/pulse"), "sink", String(sinkPort)];
  sink = Background.exec(lab, { namespace, pod: "sink", command });
  await sink.printed(/^ready$/m);
});
after(async () => {
  client?.[Symbol.dispose]();
  await sink?.end();
  await lab?.[Symbol.asyncDispose]();
});

test("without aggregation every packet is told: where it comes from, and where it goes", async () => {
  const names = await namesOf(lab, [node], namespace);
  await using sender = Client.inPod(lab, namespace, "sender");
  const to = (address: string) => () => address;
  await assertFlows({
    lab,
    family: 4,
    firstPort: 10_000,
    line: { names, namespace },
    senders: { client: () => sender, run: () => Promise.resolve() },
    // The node's own talk, all of it told, is TCP and ICMP.
    others: ({ l4 }) => !l4?.UDP,
    rows: [
      {
        what: "a pod to one of its node",
        from: "sender",
        send: ask("udp", to(addresses.sink), 8080),
        flows: [
          "node-1 FORWARDED from-endpoint no reason: sender:c -> sink:8080 UDP, no direction",
          "node-1 FORWARDED to-endpoint new: sender:c -> sink:8080 UDP, ingress, request",
          "node-1 FORWARDED from-endpoint no reason: sink:8080 -> sender:c UDP, no direction",
          "node-1 FORWARDED to-endpoint reply: sink:8080 -> sender:c UDP, egress, reply",
        ],
      },
      {
        what: "a pod to the world, masqueraded",
        from: "sender",
        send: ask("udp", to(worldAddresses[4]), 8080),
        ports: [8080],
        flows: [
          "node-1 FORWARDED from-endpoint no reason: sender:c -> world-ipv4@world:8080 UDP, no direction",
          "node-1 FORWARDED to-stack new: sender:c -> world-ipv4@world:8080 UDP, egress, request",
          "node-1 FORWARDED to-network no reason: sender:any -> world-ipv4@world:8080 UDP, as node-1, no direction",
          "node-1 FORWARDED from-network no reason: world-ipv4@world:8080 -> host@node-1:any UDP, no direction",
          "node-1 FORWARDED to-endpoint reply: world-ipv4@world:8080 -> sender:c UDP, egress, reply",
        ],
      },
    ],
  });
});

test("50,000 flows a second, beside drops: each is seen or counted as lost", async (t) => {
  await assertAllAccounted(t, { packetsPerSecond, durationMs });
});

test("more than the kernel tells: each is seen or counted as lost, and every drop is seen", async (t) => {
  const { lost } = await assertAllAccounted(t, { packetsPerSecond: 0, durationMs: excessMs });
  assert.notEqual(lost, 0, "the flood was beyond what is told");
  const { verdicts, traces } = kernelCounts(lab, node);
  assert.equal(await lostByStatus(), verdicts.lost + traces.lost);
});

type Load = { readonly packetsPerSecond: number; readonly durationMs: number };

const toSink: Filter = { destinationPort: [String(sinkPort)] };
const toGuarded: Filter = { destinationPort: [String(guardedPort)] };
const dropped: Filter = { verdict: [Verdict.DROPPED] };

async function assertAllAccounted(t: TestContext, load: Load): Promise<{ readonly lost: number }> {
  using followers = new AgentClient(lab, node);
  const forwards = followers.follow([toSink]);
  const drops = followers.follow([{ ...toGuarded, ...dropped }]);
  const before = await snapshot();

  const watch = new Watch();
  const [sent, denied] = await Promise.all([
    flood(addresses.sink, sinkPort, load.packetsPerSecond, load.durationMs),
    flood(addresses.guarded, guardedPort, dropsPerSecond, load.durationMs),
    watch.during(load.durationMs),
  ]);
  // What comes along loses its place, too, until the flood's last window is over.
  await sleep(rateWindowMs);
  const after = await snapshot();
  const kernel = differenceOf(after.kernel, before.kernel);
  const seen = after.seen - before.seen;
  const { verdicts, traces } = kernel;
  await until("losses are told", async () =>
    [forwards, drops].every(({ lostInKernel }) => lostInKernel === traces.lost),
  );
  const when = { since: timestampOf(before.atMs), until: timestampOf(after.atMs) };
  const keptOthers = await client.count({ ...when, blacklist: [toSink] });
  const keptForwards = await client.count({ ...when, whitelist: [toSink] });
  const keptDrops = await client.count({ ...when, whitelist: [{ ...toGuarded, ...dropped }] });
  await until(
    "the followers are done",
    async () =>
      forwards.flows + forwards.missed >= keptForwards.flows && drops.flows >= keptDrops.flows,
  );
  t.diagnostic(`sent ${sent} and ${denied} denied: ${JSON.stringify({ kernel, forwards, drops })}`);
  t.diagnostic(watch.text);

  assert.deepEqual({ denied: keptDrops.flows, lost: verdicts.lost }, { denied, lost: 0 }, "drops");
  assert.deepEqual({ ...drops }, { ...new Tally(), flows: denied, lostInKernel: traces.lost });
  assert.equal(seen, verdicts.sent + traces.sent, "all that the kernel told was seen");
  assert.equal(keptForwards.flows + keptOthers.flows, seen, "all that was seen is kept");
  assert.equal(
    forwards.flows + forwards.missed,
    keptForwards.flows,
    "a follower knows what it missed",
  );
  assert.equal(forwards.failure, undefined);
  // Of a denied packet it is told where it comes from, besides.
  const offered = sent * flowsPerPacket + denied;
  const others = traces.sent + traces.lost - offered;
  assert.ok(
    others >= 0 && others < 500 + offered / 200,
    `${others} flows beside those that were sent`,
  );
  const lostForwards = sent * flowsPerPacket - keptForwards.flows;
  assert.ok(
    lostForwards >= 0 && lostForwards <= traces.lost,
    `${lostForwards} of ${traces.lost} lost`,
  );
  assert.ok(
    traces.lost - lostForwards <= denied + others,
    "only what is counted as lost is missing",
  );
  watch.assertCalm();
  return { lost: traces.lost };
}

async function flood(address: string, port: number, rate: number, forMs: number): Promise<number> {
  const command = [
    join(root, "dist/bin/flood"),
    address,
    String(port),
    String(port + 10_000),
    String(rate),
    String(forMs),
  ];
  const { stdout, stderr } = await lab.exec(namespace, "sender", command, {
    timeoutMs: forMs + 30_000,
  });
  const [, sent] = /^sent (\d+)$/m.exec(stdout) ?? [];
  assert.ok(sent, stderr);
  return Number(sent);
}

/** The kernel's counts and the agent's, of a moment at which nothing was under way between them. */
async function snapshot() {
  for (const deadline = Date.now() + 20_000; Date.now() < deadline;) {
    const kernel = kernelCounts(lab, node);
    // The next whole millisecond: nothing before it is still to come.
    const atMs = Date.now() + 1;
    await sleep(5);
    const isRead = pendingBytes(lab, node) === 0;
    const seen = await client.seenFlows();
    // Whatever it had read by then it has counted: it does both in one go.
    if (isRead && isDeepStrictEqual(kernelCounts(lab, node), kernel)) return { kernel, seen, atMs };
    await sleep(50);
  }
  return assert.fail("there is no quiet moment");
}

function timestampOf(unixMs: number): { seconds: bigint; nanos: number } {
  return { seconds: BigInt(Math.floor(unixMs / 1000)), nanos: (unixMs % 1000) * 1_000_000 };
}

function differenceOf(a: ReturnType<typeof kernelCounts>, b: typeof a): typeof a {
  const of = (name: "verdicts" | "traces") => ({
    sent: a[name].sent - b[name].sent,
    lost: a[name].lost - b[name].lost,
  });
  return { verdicts: of("verdicts"), traces: of("traces") };
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0;
}

/** The agent meanwhile: its memory, and how long questions take. */
class Watch {
  readonly residentMiB: number[] = [];
  readonly answeredMs: number[] = [];

  async during(forMs: number): Promise<void> {
    const pid = await processPid(lab, `agent/${node}`);
    for (const end = performance.now() + forMs; performance.now() < end; await sleep(200)) {
      const status = readFileSync(`/proc/${pid}/status`, "utf8");
      this.residentMiB.push(Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1024));
      const begin = performance.now();
      const { flows } = await client.count({ number: 100n });
      assert.equal(flows, 100);
      this.answeredMs.push(performance.now() - begin);
    }
  }

  /** Memory does not grow once all that is bounded is full, and nobody waits long. */
  assertCalm(): void {
    const third = Math.floor(this.residentMiB.length / 3);
    const [middle, last] = [this.residentMiB.slice(third, -third), this.residentMiB.slice(-third)];
    const limit = median(middle) * 1.1 + 16;
    assert.ok(median(last) < limit, this.text);
    assert.ok(median(this.answeredMs) < 1_000, this.text);
  }

  get text(): string {
    const times = this.answeredMs.toSorted((a, b) => a - b).map((ms) => ms.toFixed(0));
    const memory = `${this.residentMiB[0]} to ${this.residentMiB.at(-1)}`;
    return `--last 100: ${median(this.answeredMs).toFixed(0)} ms, ${times[0]} to ${times.at(-1)}; agent's RSS: ${memory} MiB`;
  }
}

/** "Lost: N" of `tsilium status`. */
async function lostByStatus(): Promise<number> {
  type Status = { readonly parts: readonly { readonly name: string; readonly message: string }[] };
  const { parts } = await lab.json<Status>("--node", node, "status");
  const { message = "" } = parts.find(({ name }) => name === "hubble") ?? {};
  return Number(/Lost: (\d+)/.exec(message)?.[1]);
}
