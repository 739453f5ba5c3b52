// What a pod may not send, and what the network may not send to pods: dropped, counted by reason, and told by
// the monitor with reason and endpoint. Then the answers senders get: time exceeded, and the right path MTU.
//
//   node-1: sender (raw frames, past its kernel's rules)    node-2: far    world host, not a node
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ether, type ParsedPacket } from "@tsilium/net";
import { datagram, type DropCase, dropCases, experimental, tunnelled } from "./drop-cases.ts";
import { linkTowards, type PodFacts, podFacts, type Runner, sendFrames } from "./frames.ts";
import { echoPod, Lab, manifests, namespaceManifest } from "./harness.ts";
import { assertDropsSince, type Drops, drops, prometheusDrops } from "./metrics.ts";
import { Monitor, type MonitorEvent } from "./monitor.ts";

const nodes = ["node-1", "node-2"];
const nodeAddresses = ["172.18.0.2", "172.18.0.3"] as const;
const world = "203.0.113.10";
/** VXLAN over IPv4 in an underlay of 1500. */
const tunnelMtu = 1450;
const headers = { 4: 28, 6: 48 }; // IP and UDP

let lab: Lab;
let sender: PodFacts;
let far: PodFacts;
const fromSender: Runner = (command, options) => lab.exec("drops", "sender", command, options);
const fromWorld: Runner = (command, options) => lab.worldExec(command, options);
const fromOtherNode: Runner = (command, options) => lab.nodeExec("node-2", command, options);

before(async () => {
  lab = await Lab.up({ nodes: 2, name: `t${process.pid}drops` });
  await lab.apply(
    manifests(
      namespaceManifest("drops"),
      echoPod({ name: "sender", namespace: "drops", node: "node-1" }),
      echoPod({ name: "far", namespace: "drops", node: "node-2" }),
    ),
  );
  await lab.wait("drops");
  sender = await podFacts(lab, "node-1", "sender");
  far = await podFacts(lab, "node-2", "far");
});
after(async () => {
  await lab?.[Symbol.asyncDispose]();
});

test("what a pod may not send is dropped, each with its reason, counted and told", async () => {
  const cases = dropCases({ sender, far, nodes: nodeAddresses, otherNode6: "fc00:18::3", world });
  await using monitor = new Monitor(lab, "node-1");
  const marker = ether({ src: sender.mac, dst: sender.gatewayMac, type: experimental }).bytes();
  await monitor.listening(async () => void (await sendFrames(fromSender, [marker], 10)));
  const before = await drops(lab, nodes);
  const answers = await sendFrames(
    fromSender,
    cases.map(({ frame }) => frame),
  );
  await monitor.settle(cases.length);
  const who = `endpoint ${sender.endpointId}, identity ${sender.identity}, egress`;
  assert.deepEqual(
    monitor.events.map((event) => {
      const { reason, endpointId, sourceIdentity, direction } = event;
      return `${sentenceOf(event, cases)}: ${reason}, endpoint ${endpointId}, identity ${sourceIdentity}, ${direction}`;
    }),
    cases.map(({ sentence, reason }) => `${sentence}: ${reason}, ${who}`),
  );
  await assertDropsSince(lab, nodes, before, countsOf(cases));
  assert.deepEqual(answers, [], "nothing was answered");
});

test("the tunnel is believed from known nodes only, whatever identity it claims", async () => {
  await using monitor = new Monitor(lab, "node-1");
  const link = await linkTowards(fromWorld, nodeAddresses[0]);
  const outer = ether(link).ipv4({ src: world, dst: nodeAddresses[0] });
  const forged = (vni: number) => tunnelled(outer, { vni, from: far.ipv4, to: sender.ipv4 });
  await monitor.listening(async () => void (await sendFrames(fromWorld, [forged(2)], 10)));
  const before = await drops(lab, nodes);
  // As the pod of node-2, as the host itself, as a node.
  await sendFrames(fromWorld, [far.identity, 1, 6].map(forged), 50);
  await monitor.settle(3);
  assert.deepEqual(
    monitor.events.map(({ reason, direction }) => `${reason}, ${direction}`),
    ["Unknown sender, ingress", "Unknown sender, ingress", "Unknown sender, ingress"],
  );
  await assertDropsSince(lab, nodes, before, { "node-1 Unknown sender ingress": 3 });
});

test("the tunnel is not believed without an identity, even from a known node", async () => {
  const before = await drops(lab, nodes);
  const link = await linkTowards(fromOtherNode, nodeAddresses[0]);
  const outer = ether(link).ipv4({ src: nodeAddresses[1], dst: nodeAddresses[0] });
  const forged = tunnelled(outer, { vni: 0, from: far.ipv4, to: sender.ipv4 });
  await sendFrames(fromOtherNode, [forged], 50);
  await assertDropsSince(lab, nodes, before, { "node-1 Incorrect VNI from VTEP ingress": 1 });
});

test("a packet for an address that no pod has is dropped where that is known", async () => {
  const before = await drops(lab, nodes);
  const nowhere = [sender, far].map(({ ipv4 }) => ipv4.replace(/\d+$/, "250"));
  await sendFrames(
    fromSender,
    nowhere.map((dst) => datagram(gatewayFrame().ipv4({ src: sender.ipv4, dst })).bytes()),
  );
  await assertDropsSince(lab, nodes, before, {
    "node-1 Stale or unroutable IP ingress": 1,
    "node-2 Stale or unroutable IP ingress": 1,
  });
});

for (const family of [4, 6] as const) {
  const address = (pod: PodFacts) => (family === 4 ? pod.ipv4 : pod.ipv6);

  test(`a traceroute over IPv${family} shows both nodes and arrives`, async () => {
    const before = await drops(lab, nodes);
    const hops: (string | undefined)[] = [];
    for (const limit of ["1", "2", "3"]) {
      const ping = ["ping", "-n", "-c", "1", "-W", "2", "-t", limit, address(far)];
      const { stdout } = await lab.exec("drops", "sender", ping);
      hops.push(/(?:From|bytes from) ([0-9a-f.:]*[0-9a-f])/.exec(stdout)?.[1]);
    }
    // A node speaks with its own address to its pods, with its router's to those of others.
    const own = family === 4 ? "172.18.0.2" : "fc00:18::2";
    assert.deepEqual(hops, [own, await routerOf("node-2", family), address(far)]);
    await assertDropsSince(lab, nodes, before, {
      "node-1 TTL exceeded egress": 1,
      "node-2 TTL exceeded ingress": 1,
    });
  });

  test(`an IPv${family} packet too big for the tunnel is answered with the tunnel's MTU`, async () => {
    const before = await drops(lab, nodes);
    const answers = await sendFrames(fromSender, [datagramOf(family, tunnelMtu + 1)]);
    assert.deepEqual(answers.map(icmpOf), [
      {
        ...(family === 4 ? { type: 3, code: 4 } : { type: 2, code: 0 }),
        mtu: tunnelMtu,
        about: `${address(sender)} -> ${address(far)}`,
      },
    ]);
    await assertDropsSince(lab, nodes, before, { "node-1 Fragmentation needed egress": 1 });
  });

  test(`an IPv${family} packet of exactly the tunnel's MTU arrives and is answered`, async () => {
    const before = await drops(lab, nodes);
    const answers = await sendFrames(fromSender, [datagramOf(family, tunnelMtu)]);
    assert.deepEqual(
      answers.map(({ ip, udp }) => [`${ip?.source}`, udp?.length]),
      [[address(far), tunnelMtu - headers[family] + 8]],
    );
    await assertDropsSince(lab, nodes, before);
  });
}

test("Prometheus is told of these drops, and of nothing else as one", async () => {
  for (const node of nodes)
    assert.deepEqual(await prometheusDrops(lab, node), await drops(lab, [node]));
});

function gatewayFrame() {
  return ether({ src: sender.mac, dst: sender.gatewayMac });
}

/** To far's echo server, of `size` bytes from the IP header on, not to be fragmented. */
function datagramOf(family: 4 | 6, size: number): Uint8Array {
  const ip =
    family === 4
      ? gatewayFrame().ipv4({ src: sender.ipv4, dst: far.ipv4, dontFragment: true })
      : gatewayFrame().ipv6({ src: sender.ipv6, dst: far.ipv6 });
  const payload = new Uint8Array(size - headers[family]);
  return ip.udp({ sport: 4000, dport: 8080, payload }).bytes();
}

/** Which case's frame an event shows. */
function sentenceOf({ packet, summary }: MonitorEvent, cases: readonly DropCase[]): string {
  const shown = Buffer.from(packet, "base64");
  const found = cases.find(({ frame }) =>
    shown.equals(withoutTag(frame).subarray(0, shown.length)),
  );
  return found?.sentence ?? summary;
}

/** The kernel takes a VLAN tag off before any program sees the frame. */
function withoutTag(frame: Uint8Array): Uint8Array {
  const tagged = frame[12] === 0x81 && frame[13] === 0;
  return tagged ? Buffer.concat([frame.subarray(0, 12), frame.subarray(16)]) : frame;
}

/** The counters that the cases move. */
function countsOf(cases: readonly DropCase[]): Drops {
  const counts: Drops = {};
  for (const { reason } of cases) {
    const key = `node-1 ${reason} egress`;
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

type Icmp = { type?: number; code?: number; mtu?: number; about: string };

function icmpOf({ icmp }: ParsedPacket): Icmp {
  const quoted = icmp?.quoted?.ip;
  return {
    ...(icmp ? { type: icmp.type, code: icmp.code } : {}),
    ...(icmp?.mtu === undefined ? {} : { mtu: icmp.mtu }),
    about: `${quoted?.source} -> ${quoted?.destination}`,
  };
}

/** The address by which a node routes its pods' packets. */
async function routerOf(node: string, family: 4 | 6): Promise<string> {
  const show = ["ip", "-j", `-${family}`, "address", "show", "tsi_host", "scope", "global"];
  const [link] = JSON.parse((await lab.nodeExec(node, show)).stdout) as {
    addr_info: { local: string }[];
  }[];
  return link?.addr_info[0]?.local as string;
}
