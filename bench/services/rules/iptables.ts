// Services for iptables-restore, as kube-proxy's iptables mode lays them out. A new connection goes through
// KUBE-SERVICES rule by rule:
//
//   PREROUTING, OUTPUT -> KUBE-SERVICES -> KUBE-SVC-x (one per service) -> KUBE-SEP-x (one per endpoint): DNAT
//                              +-> KUBE-NODEPORTS -> KUBE-EXT-x: mark --^
//   POSTROUTING -> KUBE-POSTROUTING: what is marked is masqueraded
import type { BenchService, ServiceEndpoint } from "../workload.ts";
import { hashed } from "./chain-name.ts";
import type { RuleFacts, RuleSet } from "./rule-set.ts";

const mark = "0x4000";
/** From so many endpoints on, rules go without comments. */
const manyEndpoints = 1000;

/** With the backend that Debian's iptables has by default: the rules end up in nf_tables. */
export const iptables: RuleSet = {
  name: "iptables",
  command: ["iptables-restore", "--noflush", "--counters", "-w", "5"],
  all: (services, facts) =>
    [...filter(hooks.filter), ...nat(hooks.nat, { services, facts })].join("\n"),
  // The chains that list all services are written whole, every time.
  addLast: (services, facts) =>
    [...filter([]), ...nat([], { services, facts, changed: services.slice(-1) })].join("\n"),
};

/** The older backend, whose tables are replaced whole. */
export const iptablesLegacy: RuleSet = {
  ...iptables,
  name: "iptables-legacy",
  command: ["iptables-legacy-restore", "--noflush", "--counters", "-w", "5"],
};

const isNew = "-m conntrack --ctstate NEW";
const hooks = {
  filter: [
    `-A INPUT ${isNew} -j KUBE-PROXY-FIREWALL`,
    "-A INPUT -j KUBE-NODEPORTS",
    `-A INPUT ${isNew} -j KUBE-EXTERNAL-SERVICES`,
    `-A FORWARD ${isNew} -j KUBE-PROXY-FIREWALL`,
    "-A FORWARD -j KUBE-FORWARD",
    `-A FORWARD ${isNew} -j KUBE-SERVICES`,
    `-A FORWARD ${isNew} -j KUBE-EXTERNAL-SERVICES`,
    `-A OUTPUT ${isNew} -j KUBE-PROXY-FIREWALL`,
    `-A OUTPUT ${isNew} -j KUBE-SERVICES`,
  ],
  nat: [
    "-A PREROUTING -j KUBE-SERVICES",
    "-A OUTPUT -j KUBE-SERVICES",
    "-A POSTROUTING -j KUBE-POSTROUTING",
  ],
};

/** Services that have endpoints leave nothing here. */
function filter(jumps: readonly string[]): string[] {
  const chains = ["NODEPORTS", "SERVICES", "EXTERNAL-SERVICES", "FORWARD", "PROXY-FIREWALL"];
  return [
    "*filter",
    ...chains.map((name) => declared(`KUBE-${name}`)),
    ...jumps,
    "-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP",
    `-A KUBE-FORWARD -m mark --mark ${mark}/${mark} -j ACCEPT`,
    "-A KUBE-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
    "COMMIT",
  ];
}

type NatContent = {
  readonly services: readonly BenchService[];
  readonly facts: RuleFacts;
  /** Those whose own chains are written; absent: all. */
  readonly changed?: readonly BenchService[];
};

function nat(
  jumps: readonly string[],
  { services, facts, changed = services }: NatContent,
): string[] {
  const endpoints = services.reduce((sum, service) => sum + service.endpoints.length, 0);
  const comment: Comment =
    endpoints > manyEndpoints ? () => "" : (text) => `-m comment --comment "${text}" `;
  const chains = ["SERVICES", "NODEPORTS", "POSTROUTING", "MARK-MASQ"];
  return [
    "*nat",
    ...chains.map((name) => declared(`KUBE-${name}`)),
    ...changed.flatMap(chainsOf).map(declared),
    ...jumps,
    `-A KUBE-MARK-MASQ -j MARK --or-mark ${mark}`,
    `-A KUBE-POSTROUTING -m mark ! --mark ${mark}/${mark} -j RETURN`,
    `-A KUBE-POSTROUTING -j MARK --xor-mark ${mark}`,
    "-A KUBE-POSTROUTING -j MASQUERADE --random-fully",
    ...services.flatMap((service) => listed(service, comment)),
    "-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS",
    ...changed.flatMap((service) => own(service, facts, comment)),
    "COMMIT\n",
  ];
}

type Comment = (text: string) => string;

/** In the chains of all services. */
function listed(service: BenchService, comment: Comment): string[] {
  const { nodePort } = service;
  const title = comment(`${titleOf(service)} cluster IP`);
  return [
    `-A KUBE-SERVICES ${title}${toClusterIp(service)} -j ${serviceChain(service)}`,
    ...(nodePort === undefined
      ? []
      : [
          `-A KUBE-NODEPORTS ${comment(titleOf(service))}-m tcp -p tcp --dport ${nodePort} -j ${externalChain(service)}`,
        ]),
  ];
}

/** In chains of its own. */
function own(service: BenchService, { podCidr }: RuleFacts, comment: Comment): string[] {
  const { nodePort, endpoints } = service;
  const chain = serviceChain(service);
  const external = externalChain(service);
  return [
    `-A ${chain} ${comment(`${titleOf(service)} cluster IP`)}${toClusterIp(service)} ! -s ${podCidr} -j KUBE-MARK-MASQ`,
    ...(nodePort === undefined
      ? []
      : [
          `-A ${external} ${comment(`masquerade traffic for ${titleOf(service)}`)}-j KUBE-MARK-MASQ`,
          `-A ${external} -j ${chain}`,
        ]),
    ...endpoints.flatMap((endpoint, index) => {
      const target = endpointChain(service, endpoint);
      const to = `${endpoint.address}:${endpoint.port}`;
      const title = comment(titleOf(service));
      return [
        `-A ${chain} ${comment(`${titleOf(service)} -> ${to}`)}${share(endpoints.length - index)}-j ${target}`,
        `-A ${target} ${title}-s ${endpoint.address} -j KUBE-MARK-MASQ`,
        `-A ${target} ${title}-m tcp -p tcp -j DNAT --to-destination ${to}`,
      ];
    }),
  ];
}

/** One of those that are left, all alike; the last takes what comes. */
function share(left: number): string {
  return left === 1 ? "" : `-m statistic --mode random --probability ${(1 / left).toFixed(10)} `;
}

function declared(chain: string): string {
  return `:${chain} - [0:0]`;
}

function chainsOf(service: BenchService): string[] {
  return [
    serviceChain(service),
    ...(service.nodePort === undefined ? [] : [externalChain(service)]),
    ...service.endpoints.map((endpoint) => endpointChain(service, endpoint)),
  ];
}

function titleOf({ namespace, name }: BenchService): string {
  return `${namespace}/${name}`;
}

function toClusterIp({ clusterIp, port }: BenchService): string {
  return `-m tcp -p tcp -d ${clusterIp} --dport ${port}`;
}

function serviceChain(service: BenchService): string {
  return `KUBE-SVC-${hashed([titleOf(service)], 16)}`;
}

function externalChain(service: BenchService): string {
  return `KUBE-EXT-${hashed([titleOf(service)], 16)}`;
}

function endpointChain(service: BenchService, { address, port }: ServiceEndpoint): string {
  return `KUBE-SEP-${hashed([titleOf(service), address, port], 16)}`;
}
