// From a packet at a hook to the flow that Hubble tells: the programs' events and the decoder agree about what they mean.
import assert from "node:assert/strict";
import { after, beforeEach, describe, test } from "node:test";
import { encode } from "@tsilium/ebpf";
import * as abi from "../../packages/datapath/src/gen/abi.ts";
import { EventRings } from "../../packages/datapath/src/tables/event-rings.ts";
import { BootClock, FlowDecoder } from "../../packages/hubble/src/decode/index.ts";
import { Enricher } from "../../packages/hubble/src/enrich/index.ts";
import { DropReason, TraceObservationPoint } from "../../packages/hubble/src/gen/flow/flow_pb.ts";
import {
  EventType,
  type Flow,
  ObservationPoint,
  TraceReason,
  TrafficDirection,
  Verdict,
} from "../../packages/hubble/src/model.ts";
import { heldPolicy, rule, slots } from "./held-policy.ts";
import { type Attempt, TestNode } from "./node.ts";
import { toBytes, type PacketLike } from "./table.ts";
import {
  b,
  endpoints,
  type Family,
  frame,
  fromA,
  identities,
  ipcache,
  macs,
  nobody,
  otherNode,
  remotePod,
  a,
  subjects,
} from "./world.ts";

const node = new TestNode();
const rings = EventRings.of((name) => node.map(name));
const { slot, hold, release } = heldPolicy(node);
after(() => {
  rings[Symbol.dispose]();
  node[Symbol.dispose]();
});

const enricher = new Enricher();
for (const [at, { id, identity, ipv4, ipv6, ifindex, netnsCookie }] of endpoints.entries())
  enricher.apply({
    kind: "endpoint",
    id,
    identity,
    labels: [],
    namespace: "test",
    podName: "ab".charAt(at),
    workloads: [],
    ipv4: String(ipv4),
    ipv6: String(ipv6),
    ifindex,
    interfaceName: "",
    netnsCookie,
  });
for (const { prefix, identity } of ipcache)
  enricher.apply({
    kind: "address",
    prefix: prefix.toString(),
    identity,
    namespace: identity === identities.remotePod ? "test" : "",
    podName: identity === identities.remotePod ? "remote" : "",
  });
const ref = { kind: "CiliumNetworkPolicy", namespace: "test", name: "held" };
enricher.apply({
  kind: "rule",
  number: 900,
  name: { kind: "default-deny", by: [{ ref, path: "spec" }] },
});
enricher.apply({ kind: "rule", number: 5, name: { kind: "rule", ref, path: "spec.ingress[0]" } });
const clock = new BootClock({ boottimeNs: () => 0n, unixNs: () => 0n });
const decoder = new FlowDecoder({ enricher, clock });

function listen(verdicts: boolean): void {
  const runtime = {
    epoch: 0,
    trace: abi.traceLevel.connections,
    verdicts: Number(verdicts),
    proxies: 0,
  };
  node.map("tsi_runtime").update(new Uint8Array(4), encode(abi.runtime, runtime));
}

const words = <Numbers extends Record<string, number>>(numbers: Numbers) =>
  Object.fromEntries(Object.entries(numbers).map(([word, number]) => [number, word]));
const [verdictWords, dropWords, directionWords, reasonWords, pointWords] = [
  words(Verdict),
  words(DropReason),
  words(TrafficDirection),
  words(TraceReason),
  words(ObservationPoint),
];

/** What a packet's flows say, in a line each. */
function flowsOf(attempt: Omit<Attempt, "packet">, packet: PacketLike): string[] {
  node.try({ ...attempt, packet: toBytes(packet) });
  const flows: Flow[] = [];
  rings.drain((memory, at, length) => decoder.decode(memory, at, length, flows));
  return flows.map(lineOf);
}

function lineOf(flow: Flow): string {
  const { source, destination, isReply, verdict, direction, summary } = flow;
  const deniedBy = [...flow.ingressDeniedBy, ...flow.egressDeniedBy].map(({ labels }) =>
    labels.at(-1),
  );
  const allowedBy = [...flow.ingressAllowedBy, ...flow.egressAllowedBy].map(({ labels }) =>
    labels.at(-1),
  );
  const reply = isReply === undefined ? "?" : isReply ? "reply" : "forth";
  return [
    `${verdictWords[verdict]} ${directionWords[direction]} ${reply}`,
    `${source.podName}/${source.identity} > ${destination.podName}/${destination.identity}`,
    ...(flow.eventType.type === EventType.trace
      ? [`${pointWords[flow.observationPoint]} ${reasonWords[flow.traceReason]}`]
      : []),
    ...(verdict === Verdict.dropped ? [dropWords[flow.dropReason]] : []),
    ...[...deniedBy, ...allowedBy].map((label) => label?.split("=")[1]),
    summary,
  ].join(", ");
}

const forth = { sport: 40000, dport: 80 };
const back = { sport: 80, dport: 40000 };
const fromPodB = { hook: "from_container", pod: "b" } as const;
const fromPodA = { hook: "from_container" } as const;
const tunnelled = {
  hook: "from_overlay",
  tunnel: { outerSource: otherNode[4], vni: identities.remotePod },
} as const;
const fromB = (family: Family) =>
  frame(family, [b, a], { src: macs.b, dst: macs.gatewayOfB }).tcp({
    ...back,
    flags: ["SYN", "ACK"],
  });

for (const family of [4, 6] as const)
  describe(`IPv${family}`, () => {
    beforeEach(() => {
      release();
      rings.drain(() => {});
      listen(false);
    });

    test("two pods of the node: as the one that gets the packet", () => {
      const { a: idA, b: idB } = identities;
      assert.deepEqual(flowsOf(fromPodA, fromA(family, b).tcp({ ...forth, flags: "SYN" })), [
        `forwarded ingress forth, a/${idA} > b/${idB}, toLxc new, TCP Flags: SYN`,
      ]);
      assert.deepEqual(flowsOf(fromPodB, fromB(family)), [
        `forwarded egress reply, b/${idB} > a/${idA}, toLxc reply, TCP Flags: SYN, ACK`,
      ]);
    });

    test("a pod of another node: at both ends of this node's part", () => {
      const { a: idA, remotePod: idRemote } = identities;
      assert.deepEqual(flowsOf(fromPodA, fromA(family, remotePod).udp(forth)), [
        `forwarded egress forth, a/${idA} > remote/${idRemote}, toOverlay new, UDP`,
      ]);
      const { stranger } = macs;
      const reply = frame(family, [remotePod, a], { src: stranger, dst: stranger }).udp(back);
      assert.deepEqual(flowsOf(tunnelled, reply), [
        `forwarded egress reply, remote/${idRemote} > a/${idA}, toLxc reply, UDP`,
      ]);
    });

    test("a forged source", () => {
      const forged = frame(family, [nobody, b]).tcp({ ...forth, flags: "SYN" });
      assert.deepEqual(flowsOf(fromPodA, forged), [
        `dropped egress ?, a/${identities.a} > b/${identities.b}, INVALID_SOURCE_IP, TCP Flags: SYN`,
      ]);
    });

    test("default deny, and a rule that denies, at the pod whose policy it is", () => {
      const { a: idA, b: idB } = identities;
      slot(slots.bIngress, {
        rules: [rule({ protocol: 17, port: 80, portLength: 16, verdict: "deny", rule: 5 })],
      });
      hold(subjects.b, { ingress: slots.bIngress });
      assert.deepEqual(flowsOf(fromPodA, fromA(family, b).tcp({ ...forth, flags: "SYN" })), [
        `dropped ingress ?, a/${idA} > b/${idB}, POLICY_DENIED, spec, TCP Flags: SYN`,
      ]);
      assert.deepEqual(flowsOf(fromPodA, fromA(family, b).udp(forth)), [
        `dropped ingress ?, a/${idA} > b/${idB}, POLICY_DENY, spec.ingress[0], UDP`,
      ]);
    });

    test("what a rule allows is told once, with the rule, where verdicts are asked for", () => {
      listen(true);
      const { a: idA, b: idB } = identities;
      slot(slots.bIngress, { rules: [rule({ rule: 5 })] });
      hold(subjects.b, { ingress: slots.bIngress });
      const packet = fromA(family, b).tcp({ ...forth, flags: "SYN" });
      assert.deepEqual(flowsOf(fromPodA, packet), [
        `forwarded ingress forth, a/${idA} > b/${idB}, spec.ingress[0], TCP Flags: SYN`,
        `forwarded ingress forth, a/${idA} > b/${idB}, toLxc new, TCP Flags: SYN`,
      ]);
      assert.deepEqual(flowsOf(fromPodA, fromA(family, b).tcp({ ...forth, flags: "ACK" })), []);
    });
  });

test("the kernel's points are Cilium's", () => {
  const { TO_STACK, FROM_NETWORK, TO_OVERLAY } = TraceObservationPoint;
  const { toStack, fromNetwork, toOverlay } = abi.tracePoint;
  assert.deepEqual([toStack, fromNetwork, toOverlay], [TO_STACK, FROM_NETWORK, TO_OVERLAY]);
});
