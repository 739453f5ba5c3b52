// A verdict is taken back with the next packet. Flows with a packet every 100 us in both directions go on while
// policies, labels and pods change under them: what is sent after `lab wait --for policy` returned is judged by what
// holds then, replies too. And one pod's flood takes no other pod's connection.
//
//   node-1: client, near, flooder    node-2: far         client <-> near, far
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Background } from "./background.ts";
import { echoPod, Lab, manifests, namespaceManifest, root, soak, until } from "./harness.ts";
import { LabObjects } from "./lab-objects.ts";
import { arrivalsOf, type PulseFlow, PulseSet } from "./pulses.ts";
import { base, labelChanges, namespace, pod, policyChanges } from "./revocation/changes.ts";
import { assertRevoked, type Change, flip } from "./revocation/flips.ts";

const policyFlips = soak ? 1_000 : 40;
const labelFlips = soak ? 200 : 20;
const pairs = ["UDP near, TCP far", "TCP near, UDP far"] as const;
const pulseProgram = join(root, "dist/bin/pulse");
const synflood = join(root, "dist/bin/synflood");
const hourUs = 3_600_000_000;
/** Young connections have a quarter of it. */
const conntrackMax = 4096;
/** Of a /29: without network, broadcast and the router. */
const usableAddresses = 6;

let lab: Lab;
let objects: LabObjects;
const pods = {
  client: pod("client", { node: "node-1", role: "client" }),
  near: pod("near", { node: "node-1", role: "server" }),
  far: pod("far", { node: "node-2", role: "server" }),
};

before(async () => {
  lab = await Lab.up({
    nodes: 2,
    name: `t${process.pid}revoke`,
    set: {
      "identity-change-grace-period": "50ms",
      // So few addresses that a new pod gets the one that was freed.
      "cluster-pool-ipv4-mask-size": "29",
      "bpf-ct-global-tcp-max": String(conntrackMax),
      "bpf-ct-global-any-max": String(conntrackMax),
    },
  });
  objects = await LabObjects.of(lab);
  const all = [...Object.values(pods), ...base].map((object) => JSON.stringify(object));
  await lab.apply(manifests(namespaceManifest(namespace), ...all));
  await lab.wait(namespace);
});
after(async () => {
  objects?.[Symbol.dispose]();
  await lab?.[Symbol.asyncDispose]();
});

// Two flows at a time: that is as many as two CPUs send at this pace beside agents that work.
for (const at of [0, 1] as const) {
  test(`no packet sent after policy is in force arrives, over ${policyFlips / 2} changes of policies (${pairs[at]})`, () =>
    assertRevocation(at, policyChanges(objects), policyFlips / 2));

  test(`no packet of a relabelled pod arrives, nor one for it, over ${labelFlips / 2} changes of labels (${pairs[at]})`, () =>
    assertRevocation(at, labelChanges(objects, pods), labelFlips / 2));
}

test("one pod's flood of SYNs evicts no other pod's established connection", async () => {
  await lab.apply(echoPod({ name: "flooded", namespace, node: "node-2" }));
  await start("flooder", { node: "node-1", role: "stranger" });
  await lab.wait(namespace);
  const flooded = (await podAddresses())["flooded"]?.ipv4 ?? "";
  // The client hears only answers, and has asked but once: without its entry a server is not heard any more.
  const quiet = { clientIntervalUs: hourUs, serverIntervalUs: 500_000 };
  await using flows = await PulseSet.start(lab, (await flowPairs(quiet)).flat());
  const flood = await lab.exec(namespace, "flooder", [synflood, flooded, "8080", "60000"]);
  assert.equal(flood.status, 0, flood.stderr);
  const answered = Number(/answered (\d+)/.exec(flood.stdout)?.[1]);
  assert.ok(answered > 4 * conntrackMax, flood.stdout);
  const floodedNs = process.hrtime.bigint();
  await sleep(1500);
  for (const [, atClient] of await flows.end()) {
    assert.equal(atClient.lost, 0, atClient.who);
    assert.ok((atClient.runs.at(-1)?.lastNs ?? 0n) > floodedNs, `${atClient.who}: evicted`);
  }
  await remove("flooder");
  await remove("flooded");
});

for (const node of ["node-1", "node-2"])
  test(`whoever takes over an address of ${node} inherits neither the verdict nor the right to reply`, async () => {
    await leaveOneAddress(node);
    const address = await start("former", { node, role: "server" });
    const client = (await podAddresses())["client"]?.ipv4 ?? "";
    await using answers = run("former", "server", "udp", "7001");
    await using taking = run("former", "server", "udp", "7002");
    await Promise.all([answers.printed(/^ready$/m), taking.printed(/^ready$/m)]);
    // One flow in which the client only asks once, and one in which it goes on.
    const silent = ["-p", "40000", "-i", String(hourUs)];
    await using listening = run("client", ...silent, "client", "udp", address, "7001");
    await using asking = run("client", "client", "udp", address, "7002");
    await Promise.all([listening, asking].map((flow) => flow.printed(/^connected$/m)));
    await remove("former");

    const removedNs = process.hrtime.bigint();
    assert.equal(await start("same", { node, role: "server" }), address);
    await using speaking = run("same", "-p", "7001", "client", "udp", client, "40000");
    // It says nothing before it is answered, which it is not; on a busy machine it takes a while to begin.
    await sleep(1_500);
    assert.ok(arrivalsOf("same", await speaking.end()).sent > 10);
    const { runs } = arrivalsOf("client", await listening.end());
    assert.ok(runs.length > 0);
    assert.deepEqual(
      runs.filter(({ lastNs }) => lastNs > removedNs),
      [],
      "it was not asked",
    );
    await remove("same");

    assert.equal(await start("other", { node, role: "stranger" }), address);
    await using hearing = run("other", "sink", "7002");
    await hearing.printed(/^ready$/m);
    await sleep(500);
    assert.equal(arrivalsOf("other", await hearing.end()).arrived, 0);
    assert.ok(arrivalsOf("client", await asking.end()).sent > 1000);
    await remove("other");
  });

/** Runs `pulse` in a pod. */
function run(name: string, ...words: string[]): Background {
  return Background.exec(lab, { namespace, pod: name, command: [pulseProgram, ...words] });
}

/** Of every pod, its IPv4 and its IPv6 one. */
async function podAddresses(): Promise<Record<string, { ipv4: string; ipv6: string }>> {
  const list = await lab.pods(namespace);
  return Object.fromEntries(
    list.map(({ metadata, status }) => {
      const of = (mark: string) => status.podIPs?.find(({ ip }) => ip.includes(mark))?.ip ?? "";
      return [metadata.name, { ipv4: of("."), ipv6: of(":") }];
    }),
  );
}

type Paces = Pick<PulseFlow, "clientIntervalUs" | "serverIntervalUs">;

/** Flows of both protocols and families, to the server of this node and to that of the other, in pairs. */
async function flowPairs(paces: Paces = {}): Promise<[PulseFlow[], PulseFlow[]]> {
  const { near, far } = await podAddresses();
  assert.ok(near && far);
  const common = { namespace, client: "client", ...paces };
  const udp = { ...common, protocol: "udp", port: 7001 } as const;
  const tcp = { ...common, protocol: "tcp", port: 7002 } as const;
  return [
    [
      { ...udp, server: "near", address: near.ipv4 },
      { ...tcp, server: "far", address: far.ipv6 },
    ],
    [
      { ...tcp, server: "near", address: near.ipv6 },
      { ...udp, server: "far", address: far.ipv4 },
    ],
  ];
}

async function assertRevocation(pair: 0 | 1, changes: readonly Change[], times: number) {
  await objects.inKernels();
  await using flows = await PulseSet.start(lab, (await flowPairs())[pair]);
  const windows = await flip(changes, { times, inKernels: () => objects.inKernels() });
  assertRevoked((await flows.end()).flat(), windows);
}

/** Makes pods until the node has one address left. */
async function leaveOneAddress(node: string): Promise<void> {
  const { allocations } = await lab.json<{ allocations: { address: string }[] }>(
    "--node",
    node,
    "ipam",
    "list",
  );
  const used = allocations.filter(({ address }) => address.includes(".")).length;
  for (let count = used; count < usableAddresses - 1; count++)
    await objects.create(pod(`filler-${node}-${count}`, { node, role: "filler" }));
  await lab.wait(namespace);
}

/** Makes a pod, and answers its IPv4 address when every node's kernel knows it. */
async function start(name: string, fields: { node: string; role: string }): Promise<string> {
  await objects.create(pod(name, fields));
  await lab.wait(namespace);
  await objects.inKernels();
  return (await podAddresses())[name]?.ipv4 ?? "";
}

async function remove(name: string): Promise<void> {
  await objects.delete(pod(name, { node: "", role: "" }));
  await until(`${name} is gone`, async () => (await podAddresses())[name] === undefined);
}
