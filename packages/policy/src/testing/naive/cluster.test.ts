// The naive evaluator against the Network Policy API's words on ClusterNetworkPolicy v1alpha2.
import { cases } from "./xyz.ts";

const policy = (options: { tier?: string; priority?: number; name?: string; spec: string }) =>
  `{apiVersion: policy.networking.k8s.io/v1alpha2, kind: ClusterNetworkPolicy, metadata: {name: ${options.name ?? "p"}},
    spec: {tier: ${options.tier ?? "Admin"}, priority: ${options.priority ?? 10}, ${options.spec}}}`;
const stream = (...objects: readonly string[]) => objects.join("\n---\n");
const everyPod = "subject: {namespaces: {}}";
/** Isolates x, and allows what comes from y. */
const networkPolicy = `{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: x},
  spec: {podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {ns: y}}}]}]}}`;

cases([
  {
    sentence:
      "an admin Deny wins over a NetworkPolicy's allow, an admin Accept over its default deny",
    objects: stream(
      networkPolicy,
      policy({
        spec: `${everyPod}, ingress: [
          {action: Deny, from: [{pods: {namespaceSelector: {matchLabels: {ns: y}}, podSelector: {matchLabels: {pod: a}}}}]},
          {action: Accept, from: [{namespaces: {matchLabels: {ns: z}}}]}]`,
      }),
    ),
    expect: [
      "y/a -> x/a tcp/80: denied",
      "y/b -> x/a tcp/80: allowed",
      "z/a -> x/a tcp/80: allowed",
      "x/b -> x/a tcp/80: denied",
      "y/a -> z/a tcp/80: denied",
    ],
  },
  {
    sentence: "the first rule that matches decides, by priority and then by place",
    objects: stream(
      policy({
        name: "second",
        priority: 20,
        spec: `${everyPod}, ingress: [{action: Deny, from: [{namespaces: {}}]}]`,
      }),
      policy({
        name: "first",
        priority: 10,
        spec: `${everyPod}, ingress: [
          {action: Accept, from: [{namespaces: {matchLabels: {ns: x}}}]},
          {action: Deny, from: [{namespaces: {matchLabels: {ns: x}}}]}]`,
      }),
    ),
    expect: ["x/a -> y/a tcp/80: allowed", "z/a -> y/a tcp/80: denied"],
  },
  {
    sentence: "Pass skips the rest of the tier and leaves it to NetworkPolicy",
    objects: stream(
      networkPolicy,
      policy({
        spec: `${everyPod}, ingress: [
          {action: Pass, from: [{namespaces: {matchLabels: {ns: x}}}, {namespaces: {matchLabels: {ns: y}}}]},
          {action: Deny, from: [{namespaces: {}}]}]`,
      }),
    ),
    expect: [
      "y/a -> x/a tcp/80: allowed",
      "x/b -> x/a tcp/80: denied",
      "z/a -> x/a tcp/80: denied",
      "x/a -> y/a tcp/80: allowed",
    ],
  },
  {
    sentence: "the baseline decides for pods that no NetworkPolicy isolates, and for those alone",
    objects: stream(
      networkPolicy,
      policy({
        tier: "Baseline",
        spec: `${everyPod}, ingress: [
          {action: Pass, from: [{pods: {podSelector: {matchLabels: {pod: c}}}}]},
          {action: Accept, from: [{pods: {podSelector: {matchLabels: {pod: b}}}}]},
          {action: Deny, from: [{namespaces: {}}]}]`,
      }),
    ),
    expect: [
      "y/a -> x/a tcp/80: allowed",
      "y/a -> z/a tcp/80: denied",
      "y/b -> z/a tcp/80: allowed",
      "y/c -> z/a tcp/80: allowed",
      "203.0.113.10 -> z/a tcp/80: allowed",
    ],
  },
  {
    sentence: "a policy without rules in a direction does not affect it, and none isolates",
    objects: policy({
      spec: `${everyPod}, ingress: [{action: Accept, from: [{namespaces: {matchLabels: {ns: y}}}]}]`,
    }),
    expect: ["z/a -> x/a tcp/80: allowed", "x/a -> 203.0.113.10 tcp/80: allowed"],
  },
  {
    sentence:
      "networks are addresses whoever has them, pods too; nodes are nodes by label, the pod's own too",
    objects: policy({
      spec: `subject: {pods: {namespaceSelector: {matchLabels: {ns: x}}, podSelector: {}}}, egress: [
        {action: Deny, to: [{networks: [10.244.0.32/28, "2001:db8::/32"]}]},
        {action: Deny, to: [{nodes: {matchLabels: {zone: two}}}], protocols: [{tcp: {destinationPort: {number: 80}}}]},
        {action: Deny, to: [{nodes: {}}], protocols: [{udp: {destinationPort: {number: 53}}}]},
        {action: Deny, to: [{domainNames: ["*.example.com"]}]}]`,
    }),
    expect: [
      "x/a -> y/a tcp/80: denied",
      "x/a -> z/a tcp/80: allowed",
      "x/a -> 2001:db8:113::10 tcp/80: denied",
      "x/a -> node-2 tcp/80: denied",
      "x/a -> node-1 tcp/80: allowed",
      "x/a -> node-1 udp/53: denied",
      "y/a -> y/b tcp/80: allowed",
    ],
  },
  {
    sentence: "protocols: a number, a range, a name; without any, everything",
    objects: policy({
      spec: `${everyPod}, ingress: [
        {action: Deny, from: [{namespaces: {}}], protocols: [{tcp: {destinationPort: {number: 80}}}, {udp: {destinationPort: {range: {start: 80, end: 81}}}}, {destinationNamedPort: serve-81-tcp}]},
        {action: Deny, from: [{pods: {podSelector: {matchLabels: {pod: c}}}}]}]`,
    }),
    expect: [
      "x/b -> x/a tcp/80: denied",
      "x/b -> x/a tcp/81: denied",
      "x/b -> x/a udp/81: denied",
      "x/b -> x/a udp/82: allowed",
      "x/b -> x/a sctp/80: allowed",
      "x/b -> x/a icmp/8: allowed",
      "x/c -> x/a icmp/8: denied",
    ],
  },
]);
