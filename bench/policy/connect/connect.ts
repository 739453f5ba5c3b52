// What policies cost a connection: pods of one node under none, one and a thousand, beside a bare veth pair.
import { Topology } from "@tsilium/testkit";
import { openPolicyKernel } from "../../../apps/agent/src/policy/kernel.ts";
import { type Pod, TestCluster } from "../../../packages/datapath/src/testing/cluster.ts";
import { compare } from "../../path/compare.ts";
import { veth } from "../../path/floors.ts";
import { ports } from "../../path/netbench.ts";
import { betweenPods } from "../../path/tsilium.ts";
import type { Variant } from "../../path/variant.ts";
import type { Section } from "../../report.ts";
import {
  addressInput,
  Enforcer,
  identityInput,
  identityOf,
  policyInput,
  subjectOf,
} from "../enforcer.ts";
import { apps } from "../workload/cluster.ts";
import { crowdPolicies } from "../workload/crowd.ts";

export type ConnectOptions = {
  readonly rounds: number;
  /** Of one client run. */
  readonly durationMs: number;
};

/** Policies of a pair of pods. */
const amounts = [1, 1000];

export async function benchConnect(options: ConnectOptions): Promise<Section[]> {
  using topology = new Topology();
  await using cluster = await TestCluster.up({ routingMode: "tunnel" });
  for (const _ of amounts.flatMap((amount) => [amount, amount])) await cluster.addPod(1);
  using kernel = openPolicyKernel(cluster.bpffs(1));
  const enforcer = new Enforcer(kernel);
  enforcer.tell([...apps().map(identityInput), ...addresses(cluster.pods)]);
  const none = betweenPods(cluster, "no policy", [1, 2]);
  const under: Variant[] = [];
  for (const [index, amount] of amounts.entries())
    under.push(await holdPair(cluster, enforcer, { amount, first: 5 + 2 * index }));
  return [
    await compare({
      ...options,
      title: "connect/request/close under policies (aim: 1,000 policies at most 1.1x)",
      kind: "crr",
      variants: [none, ...under, veth(topology)],
    }),
  ];
}

function addresses(pods: readonly Pod[]) {
  return pods.flatMap(({ ipv4, ipv6, entry: { identity } }) => [
    addressInput(`${ipv4}/32`, identity),
    addressInput(`${ipv6}/128`, identity),
  ]);
}

type Pair = {
  /** Of policies, in both directions each. */
  readonly amount: number;
  /** Number of the first pod; the second is the next. */
  readonly first: number;
};

/** Puts two pods under so many policies, the last of which lets them talk. */
async function holdPair(
  cluster: TestCluster,
  enforcer: Enforcer,
  { amount, first }: Pair,
): Promise<Variant> {
  const under = `policies-${amount}`;
  const matched = [{ matchLabels: { under } }];
  const toPorts = [{ ports: [{ port: ports.crr, protocol: "TCP" }] }];
  const policies = crowdPolicies({
    namespace,
    name: under,
    selector: { matchLabels: { under } },
    rules: amount,
    rulesPerPolicy: 1,
    allowed: {
      ingress: { fromEndpoints: matched, toPorts },
      egress: { toEndpoints: matched, toPorts },
    },
  });
  const pods = [cluster.pod(first), cluster.pod(first + 1)];
  const wanted = pods.map(({ entry: { identity } }) =>
    subjectOf({ identity, namespace, namespaceLabels, podLabels: { under } }),
  );
  enforcer.tell([
    ...wanted.map(({ identity, labels }) => identityOf(identity, labels)),
    ...policies.map(policyInput),
  ]);
  for (const [index, { entry }] of pods.entries()) {
    const subject = first + index;
    const { ingress, egress } = enforcer.hold(subject, wanted[index] as (typeof wanted)[number]);
    if (ingress !== "enforcing" || egress !== "enforcing")
      throw new Error(`pod ${subject}: policy is ${ingress} and ${egress}`);
    await cluster.node(1).call("upsertEndpoint", { ...entry, subject });
  }
  const name = amount === 1 ? "1 policy" : `${amount.toLocaleString("en")} policies`;
  return betweenPods(cluster, name, [first, first + 1]);
}

const namespace = "bench";
const namespaceLabels = { "kubernetes.io/metadata.name": namespace };
