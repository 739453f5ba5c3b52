// What is seen of each kind of traffic: exactly these flows, each once, on the right nodes, with the right names, verdicts and
// policies. Then, of all that a lab has ever dropped: every drop is a flow, and says why and by which policy.
//
//   node-1: client, near, on-host     node-2: far, on-far-host     world     (hubble/flow-lab.ts; policies: hubble/policy-rows.ts)
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { ether, type PacketBuilder } from "@tsilium/net";
import { datagram, dropCases, tunnelled } from "./drop-cases.ts";
import { setTimeout as sleep } from "node:timers/promises";
import { linkTowards, type PodFacts, podFacts, type Runner, sendFrames } from "./frames.ts";
import { until } from "./harness.ts";
import { assertEveryDropExplained } from "./hubble/attribution.ts";
import { dropLines } from "./hubble/drop-lines.ts";
import { FlowLab, isOfTheLab, namespace, nodes, pod } from "./hubble/flow-lab.ts";
import { lineOf } from "./hubble/lines.ts";
import {
  directRows,
  dnsRow,
  nodeServiceRows,
  outsideRows,
  serviceRows,
} from "./hubble/open-rows.ts";
import { isolating, policyObjects, policyRows } from "./hubble/policy-rows.ts";
import { observe, type SeenFlow } from "./hubble/seen.ts";
import { assertFlows, type Row } from "./hubble/traffic.ts";
import { families, type Family, nativeRouting, worldAddresses } from "./services/service-lab.ts";

let flows: FlowLab;
let firstPort = 10_000;

async function assertRows(rows: readonly Row[], family: Family): Promise<void> {
  // Ports are used once: connection tracking remembers the ones before.
  firstPort += 100;
  await assertFlows({ ...flows.place, family, rows, firstPort });
}

function dnsNode(): string {
  const found = [...flows.names.pods.values()].find((each) => each.namespace === "kube-system");
  return found?.node ?? "";
}

describe("with a tunnel", () => {
  before(async () => {
    flows = await FlowLab.up("flows", { "identity-change-grace-period": "500ms" });
  });
  after(() => flows?.[Symbol.asyncDispose]());

  for (const family of families) {
    test(`pods, nodes and the world, IPv${family}`, () => assertRows(directRows(flows.to), family));
    test(`services from inside, IPv${family}`, () =>
      assertRows([...serviceRows(flows.to), ...nodeServiceRows(flows.to)], family));
    test(`services from outside, IPv${family}`, () => assertRows(outsideRows(flows.to), family));
  }

  test("names", () => assertRows([dnsRow(dnsNode())], 4));

  test("what no pod may send, each with its reason and its sender", async () => {
    const { sender, far } = await partiesOf();
    const cases = dropCases({
      sender,
      far,
      nodes: [flows.address("node-1", 4), flows.address("node-2", 4)],
      otherNode6: flows.address("node-2", 6),
      world: worldAddresses[4],
    });
    await assertLines(
      () =>
        sendFrames(
          fromClient,
          cases.map(({ frame }) => frame),
        ),
      cases.map(({ sentence }) => `node-1 DROPPED ${dropLines[sentence]}, egress`),
    );
  });

  test("what the network may not send to pods", async () => {
    const { sender, far } = await partiesOf();
    const [here, there] = [flows.address("node-1", 4), flows.address("node-2", 4)];
    const frame = async (runner: Runner, src: string, vni: number) => {
      const outer = ether(await linkTowards(runner, here)).ipv4({ src, dst: here });
      await sendFrames(runner, [tunnelled(outer, { vni, from: far.ipv4, to: sender.ipv4 })], 50);
    };
    await assertLines(async () => {
      await frame(
        (command, options) => flows.lab.worldExec(command, options),
        worldAddresses[4],
        far.identity,
      );
      await frame((command, options) => flows.lab.nodeExec("node-2", command, options), there, 0);
    }, [
      "node-1 DROPPED UNKNOWN_SENDER: far:4000 -> client:9999 UDP, ingress",
      "node-1 DROPPED INVALID_VNI: far:4000 -> client:9999 UDP, ingress",
    ]);
  });

  test("addresses that no pod has", async () => {
    const { sender, far } = await partiesOf();
    const nowhere = [sender, far].map(({ ipv4 }) => ipv4.replace(/\d+$/, "250"));
    const [near = "", remote = ""] = nowhere;
    await assertLines(
      () =>
        sendFrames(
          fromClient,
          nowhere.map((dst) => datagram(toward(sender, dst, 64)).bytes()),
        ),
      [
        `node-1 FORWARDED to-stack new: client:4000 -> world-ipv4@${near}:9999 UDP, egress, request`,
        `node-1 DROPPED STALE_OR_UNROUTABLE_IP: client:4000 -> world-ipv4@${near}:9999 UDP, ingress`,
        `node-1 FORWARDED to-overlay new: client:4000 -> unmanaged@${remote}:9999 UDP, egress, request`,
        `node-2 DROPPED STALE_OR_UNROUTABLE_IP: client:4000 -> world-ipv4@${remote}:9999 UDP, ingress`,
      ],
    );
  });

  for (const family of families)
    test(`hops that are used up, and packets too big for the tunnel, IPv${family}`, async () => {
      const { sender, far } = await partiesOf();
      const dst = family === 4 ? far.ipv4 : far.ipv6;
      const [exceeded, tooBig] = {
        4: [
          "ICMPv4 TimeExceeded(TTLExceeded)",
          "ICMPv4 DestinationUnreachable(FragmentationNeeded)",
        ],
        6: ["ICMPv6 TimeExceeded(HopLimitExceeded)", "ICMPv6 PacketTooBig"],
      }[family];
      // The tunnel's 1450 and one more; IP and UDP have 28 or 48.
      const payload = new Uint8Array(1451 - (family === 4 ? 28 : 48));
      await assertLines(
        () =>
          sendFrames(fromClient, [
            datagram(toward(sender, dst, 1)).bytes(),
            toward(sender, dst, 2).udp({ sport: 4001, dport: 9999 }).bytes(),
            toward(sender, dst, 64).udp({ sport: 4002, dport: 8080, payload }).bytes(),
          ]),
        [
          "node-1 DROPPED TTL_EXCEEDED: client:4000 -> far:9999 UDP, egress",
          `node-1 FORWARDED to-endpoint related: host@node-1 -> client ${exceeded}, ingress, request`,
          "node-1 FORWARDED to-overlay new: client:4001 -> far:9999 UDP, egress, request",
          // Cilium's number 136 has this name, whatever it is for by now.
          "node-1 DROPPED CT_MISSING_TCP_ACK_FLAG: client:4002 -> far:8080 UDP, egress",
          `node-1 FORWARDED to-endpoint related: host@node-1 -> client ${tooBig}, ingress, request`,
          `node-1 FORWARDED to-endpoint related: remote-node@router-2 -> client ${exceeded}, ingress, request`,
          "node-2 DROPPED TTL_EXCEEDED: client:4001 -> far:9999 UDP, ingress",
        ],
      );
    });

  describe("with policies", () => {
    before(async () => {
      await flows.cluster.apply(...policyObjects());
      await flows.rename();
    });
    for (const family of families)
      test(`allowed, denied and audited, IPv${family}`, () =>
        assertRows(policyRows(flows.to), family));
  });

  test("a flow keeps the names of its time: policies, labels and pods that change", async () => {
    const { cluster, lab } = flows;
    const subject = pod("subject", "node-2");
    await cluster.apply(subject, isolating("first", "subject"));
    const told: Record<string, string[]> = {};
    firstPort += 100;
    const knock = async (moment: string) => {
      await flows.rename();
      const port = ++firstPort;
      const address = flows.address("subject", 4);
      await flows.senders
        .client("client")
        .one({ protocol: "udp", address, port: 8080, timeoutMs: 100, fromPort: port });
      const seen = async () =>
        (await observe(lab, "--all", "--node-name", "node-2", "--port", String(port))).map(
          (flow) =>
            `${identityOf(flow)}, ${lineOf(flow, { ...flows.place.line, ports: new Map([[port, "c"]]) })}`,
        );
      await until(`${moment} is seen`, async () => (told[moment] = await seen()).length > 0);
    };
    await knock("before");
    await cluster.delete(isolating("first", "subject"));
    await cluster.apply(isolating("second", "subject"));
    await knock("another policy");
    await cluster.objects.patch(subject, { metadata: { labels: { app: "other" } } });
    await cluster.inKernels();
    await cluster.apply(isolating("third", "other"));
    await knock("another identity");
    assert.deepEqual(told, {
      before: [
        "app=subject, node-2 DROPPED POLICY_DENIED: client:c -> subject:8080 UDP, ingress, denied by NetworkPolicy first spec",
      ],
      "another policy": [
        "app=subject, node-2 DROPPED POLICY_DENIED: client:c -> subject:8080 UDP, ingress, denied by NetworkPolicy second spec",
      ],
      "another identity": [
        "app=other, node-2 DROPPED POLICY_DENIED: client:c -> subject:8080 UDP, ingress, denied by NetworkPolicy third spec",
      ],
    });
    const all = () => observe(lab, "--all", "--to-pod", `${namespace}/subject`);
    const kept = await all();
    await cluster.delete(subject);
    await cluster.delete(isolating("second", "subject"), isolating("third", "other"));
    assert.deepEqual(await all(), kept);
    // Each where it was sent, and where it was denied.
    assert.equal(kept.length, 6);
  });

  test("every drop of this lab is a flow, with its reason and its policies", () =>
    assertEveryDropExplained(flows.lab, nodes));
});

describe("with native routing, services of pods per packet", () => {
  before(async () => {
    flows = await FlowLab.up("native", { ...nativeRouting, "bpf-lb-sock": "false" });
  });
  after(() => flows?.[Symbol.asyncDispose]());

  for (const family of families)
    test(`pods, nodes, the world and services, IPv${family}`, () => {
      const { to } = flows;
      const rows = [...directRows(to), ...serviceRows(to), ...outsideRows(to)];
      return assertRows(nativeOf(family === 4 ? [...rows, dnsRow(dnsNode())] : rows), family);
    });

  test("every drop of this lab is a flow, with its reason and its policies", () =>
    assertEveryDropExplained(flows.lab, nodes));
});

function nativeOf(rows: readonly Row[]): Row[] {
  return rows.flatMap((row) => (row.native ? [{ ...row, flows: row.native }] : []));
}

/** Fails unless just these flows are seen of it, in any order: these packets are under way side by side. */
async function assertLines(act: () => Promise<unknown>, wanted: readonly string[]): Promise<void> {
  const since = new Date().toISOString();
  await act();
  let found: string[] = [];
  const look = async () => {
    const seen = await observe(flows.lab, "--since", since);
    const own = seen.filter((flow) => !isOfTheLab(flow) && !isOfNeighbours(flow));
    const lines = own.map((flow) => lineOf(flow, { ...flows.place.line, ports: new Map() }));
    found = lines.toSorted();
    return found.length >= wanted.length;
  };
  for (const deadline = Date.now() + 5_000; !(await look()) && Date.now() < deadline;)
    await sleep(200);
  assert.deepEqual(found, wanted.toSorted());
  await look();
  assert.deepEqual(found, wanted.toSorted(), "a moment later");
}

/** `linkTowards` looks for its neighbour by a ping between hosts. */
function isOfNeighbours({ l4, source, destination }: SeenFlow): boolean {
  return l4?.ICMPv4 !== undefined && !source?.pod_name && !destination?.pod_name;
}

const fromClient: Runner = (command, options) =>
  flows.lab.exec(namespace, "client", command, options);

async function partiesOf(): Promise<Record<"sender" | "far", PodFacts>> {
  const [sender, far] = await Promise.all([
    podFacts(flows.lab, "node-1", "client"),
    podFacts(flows.lab, "node-2", "far"),
  ]);
  return { sender, far };
}

/** A packet of a pod to its gateway, not to be fragmented. */
function toward(sender: PodFacts, dst: string, hops: number): PacketBuilder {
  const frame = ether({ src: sender.mac, dst: sender.gatewayMac });
  return dst.includes(".")
    ? frame.ipv4({ src: sender.ipv4, dst, ttl: hops, dontFragment: true })
    : frame.ipv6({ src: sender.ipv6, dst, hopLimit: hops });
}

function identityOf({ destination }: SeenFlow): string {
  return destination?.labels?.find((label) => label.startsWith("k8s:app="))?.slice(4) ?? "nobody";
}
