// Random worlds in a small universe, where selectors, prefixes and ranges meet and overlap all the time.
import { Address, type Labels, Prefix } from "@tsilium/net";
import type { Random } from "@tsilium/testkit";
import type {
  CidrGroup,
  L7Rules,
  LabelSelector,
  NamedPort,
  Peer,
  PeerIdentity,
  Policy,
  PolicyService,
  PolicySettings,
  PolicySpec,
  PortMatch,
  Requirement,
  Rule,
  Subject,
} from "../../model.ts";
import { labels } from "./build.ts";
import { dns, http, kafka, sni } from "./l7.ts";

const keys = { app: ["web", "db", "api"], env: ["prod", "dev"], team: ["x", "y"] } as const;
const namespaces = ["red", "blue"];
const prefixes = [
  "0.0.0.0/0",
  "10.0.0.0/8",
  "10.1.0.0/16",
  "10.1.2.0/24",
  "10.1.2.3/32",
  "10.2.0.0/16",
  "::/0",
  "fd00::/8",
  "fd00:1::/32",
].map((text) => Prefix.parse(text));

/** One in each region that the prefixes above make. */
export const addresses = [
  "9.9.9.9",
  "10.9.9.9",
  "10.1.9.9",
  "10.1.2.9",
  "10.1.2.3",
  "10.2.0.1",
  "2001::1",
  "fd01::1",
  "fd00:1::1",
].map((text) => Address.parse(text));

/** Around every edge of the ranges below. */
export const interestingPorts = [0, 1, 79, 80, 81, 443, 1023, 1024, 1025, 8079, 8080, 8081, 65_535];
const edges = [0, 1, 80, 81, 443, 1024, 8080, 65_535];

export const reserved: readonly PeerIdentity[] = [
  { id: 1, labels: labels("reserved:host"), namedPorts: [] },
  { id: 2, labels: labels("reserved:world"), namedPorts: [] },
  { id: 3, labels: labels("reserved:world", "fqdn:a.test", "fqdn:*.test"), namedPorts: [] },
  { id: 4, labels: labels("reserved:world", "fqdn:*.test"), namedPorts: [] },
  { id: 6, labels: labels("reserved:remote-node"), namedPorts: [] },
];

export function someSettings(random: Random): PolicySettings {
  return {
    enablePolicy: random.pick(["default", "default", "default", "always", "never"]),
    allowLocalhost: random.chance(0.5),
    cidrMatchMode: random.pick([[], [], ["nodes"], ["pods"]]),
    audit: random.chance(0.1),
    denyResponse: random.pick(["drop", "icmp", "rst"]),
    clusterName: "default",
  };
}

export function someLabels(random: Random): Labels {
  if (random.chance(0.05)) return labels("reserved:init");
  const own = Object.entries(keys).flatMap(([key, values]) =>
    random.chance(0.7) ? [`${key}=${random.pick<string>(values)}`] : [],
  );
  const namespace = `io.kubernetes.pod.namespace=${random.pick(namespaces)}`;
  return labels(...own, namespace, "io.cilium.k8s.policy.cluster=default");
}

export function somePorts(random: Random): NamedPort[] {
  const names = ["web", "dns"].filter(() => random.chance(0.4));
  return names.map((name) => ({
    name,
    protocol: random.pick([6, 17]),
    port: random.pick([80, 443, 8080]),
  }));
}

export function someSubject(random: Random, id: number): Subject {
  const audit = random.chance(0.1);
  return {
    id,
    identity: 1000 + id,
    labels: someLabels(random),
    namedPorts: somePorts(random),
    audit,
  };
}

export function someIdentity(random: Random, id: number): PeerIdentity {
  return { id, labels: someLabels(random), namedPorts: somePorts(random) };
}

export function someGroup(random: Random, name: string): CidrGroup {
  return {
    name,
    labels: someLabels(random),
    prefixes: several(random, 3, () => random.pick(prefixes)),
  };
}

export function someService(random: Random, name: string): PolicyService {
  const selector = random.chance(0.5) ? { app: random.pick(keys.app) } : undefined;
  const namespace = random.pick(namespaces);
  const backends = several(random, 2, () => random.pick(prefixes));
  return { namespace, name, labels: someLabels(random), selector, backends };
}

export function somePolicy(random: Random, name: string): Policy {
  return {
    ref: { kind: "CiliumNetworkPolicy", namespace: random.pick(namespaces), name },
    uid: name,
    generation: 1,
    specs: [0, 1].slice(0, 1 + random.below(2)).map((index) => someSpec(random, `specs[${index}]`)),
    enforcement: random.chance(0.2) ? "audit" : "enforce",
    denyResponse: random.pick([undefined, undefined, "icmp", "rst", "drop"]),
  };
}

function someSpec(random: Random, path: string): PolicySpec {
  const tier = random.pick(["normal", "normal", "normal", "admin", "baseline"] as const);
  const isolates = () => tier === "normal" && random.chance(0.6);
  return {
    path,
    subject: { kind: "endpoints", selector: someSelector(random) },
    tier,
    priority: tier === "normal" ? 0 : random.below(3),
    defaultDeny: { ingress: isolates(), egress: isolates() },
    rules: Array.from({ length: random.below(4) }, (_, index) =>
      someRule(random, `${path}.rules[${index}]`),
    ),
  };
}

function someRule(random: Random, path: string): Rule {
  return {
    direction: random.pick(["ingress", "egress"]),
    verdict: random.pick(["allow", "allow", "allow", "deny", "pass"]),
    peers: random.chance(0.25) ? undefined : several(random, 3, () => somePeer(random)),
    ports: random.chance(0.3) ? undefined : several(random, 3, () => somePort(random)),
    path,
    ...(random.chance(0.3) ? { l7: someL7(random) } : {}),
  };
}

/** Mostly HTTP, so that rules meet rules of their own kind. */
function someL7(random: Random): L7Rules {
  const paths = () => several(random, 2, () => random.pick(["/a", "/b"]));
  const some = <Value>(value: Value) => (random.chance(0.15) ? value : undefined);
  switch (random.below(10)) {
    case 0:
      return kafka(...several(random, 2, () => random.pick(["x", "y"])));
    case 1:
      return dns(...several(random, 2, () => random.pick(["a.test", "*.test"])));
    case 2:
      return sni(...several(random, 2, () => random.pick(["a.test", "b.test"])));
    case 3:
      return { protocol: random.pick(["l7", "listener", "auth"]) };
    default: {
      const terminating = some(random.pick(["s1", "s2"]));
      const originating = some(random.pick(["s1", "s2"]));
      const serverNames = some([random.pick(["a.test", "b.test"])]);
      return http(paths(), {
        ...(terminating === undefined ? {} : { terminating }),
        ...(originating === undefined ? {} : { originating }),
        ...(serverNames === undefined ? {} : { serverNames }),
      });
    }
  }
}

function somePeer(random: Random): Peer {
  const except = () => several(random, 2, () => random.pick(prefixes));
  switch (random.below(10)) {
    case 0:
      return { kind: "cidr-group", name: random.pick(["g1", "g2"]), except: except() };
    case 1:
      return { kind: "cidr-group-selector", selector: someSelector(random), except: except() };
    case 2:
      return {
        kind: "service",
        namespace: random.pick(namespaces),
        name: random.pick(["s1", "s2"]),
      };
    case 3:
      return {
        kind: "service-selector",
        namespace: random.pick([undefined, ...namespaces]),
        selector: someSelector(random),
      };
    case 4:
      return random.chance(0.5)
        ? { kind: "fqdn", matchPattern: "*.test" }
        : { kind: "fqdn", matchName: "a.test" };
    case 5:
    case 6: {
      const scope = random.pick(["any", "external"] as const);
      return { kind: "cidr", prefix: random.pick(prefixes), except: except(), scope };
    }
    case 7: {
      const key = random.pick(["host", "world", "remote-node"]);
      return {
        kind: "labels",
        selector: [{ source: "reserved", key, operator: "Exists", values: [] }],
      };
    }
    default:
      return { kind: "labels", selector: someSelector(random) };
  }
}

function someSelector(random: Random): LabelSelector {
  return several(random, 2, () => someRequirement(random));
}

function someRequirement(random: Random): Requirement {
  const key = random.pick(Object.keys(keys) as (keyof typeof keys)[]);
  const source = random.pick(["k8s", "k8s", "any", "reserved"]);
  const operator = random.pick(["In", "In", "In", "NotIn", "Exists", "DoesNotExist"] as const);
  const takesValues = operator === "In" || operator === "NotIn";
  const values = takesValues ? several(random, 2, () => random.pick<string>(keys[key])) : [];
  return { source, key, operator, values };
}

function somePort(random: Random): PortMatch {
  const protocol = random.pick([6, 6, 17]);
  if (random.chance(0.2)) return { kind: "named", protocol, name: random.pick(["web", "dns"]) };
  if (random.chance(0.1)) return { kind: "icmp", family: 4, type: random.pick([0, 8]) };
  const [first = 0, last = 0] = [random.pick(edges), random.pick(edges)].sort((a, b) => a - b);
  return random.chance(0.4)
    ? { kind: "range", protocol, first, last: first }
    : { kind: "range", protocol, first, last };
}

/** None at all now and then: an empty list is a case of its own. */
function several<T>(random: Random, most: number, make: () => T): T[] {
  return Array.from({ length: random.below(most + 1) }, make);
}
