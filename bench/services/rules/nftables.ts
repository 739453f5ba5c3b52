// Services for nft, as kube-proxy's nftables mode lays them out. A new connection finds its service in a map:
//
//   nat-prerouting, nat-output -> services -> map service-ips, map service-nodeports
//     -> service-x -> numgen random, a map of its own -> endpoint-x: dnat
//   nat-postrouting -> masquerading: what is marked is masqueraded
import type { BenchService, ServiceEndpoint } from "../workload.ts";
import { hashed } from "./chain-name.ts";
import type { RuleFacts, RuleSet } from "./rule-set.ts";

const table = "ip kube-proxy";
const mark = "0x4000";

export const nftables: RuleSet = {
  name: "nftables",
  command: ["nft", "-f", "-"],
  all: (services, facts) =>
    [...base(facts), ...services.flatMap((service) => own(service, facts)), ""].join("\n"),
  addLast: (services, facts) =>
    [...services.slice(-1).flatMap((service) => own(service, facts)), ""].join("\n"),
};

const baseChains = {
  "filter-prerouting-pre-dnat": "type filter hook prerouting priority -110",
  "filter-output-pre-dnat": "type filter hook output priority -110",
  "filter-input": "type filter hook input priority 0",
  "filter-forward": "type filter hook forward priority 0",
  "filter-output": "type filter hook output priority 0",
  "nat-prerouting": "type nat hook prerouting priority -100",
  "nat-output": "type nat hook output priority -100",
  "nat-postrouting": "type nat hook postrouting priority 100",
};
const otherChains = [
  "cluster-ips-check",
  "firewall-check",
  "mark-for-masquerade",
  "masquerading",
  "nodeport-endpoints-check",
  "reject-chain",
  "service-endpoints-check",
  "services",
];
const serviceKey = "type ipv4_addr . inet_proto . inet_service : verdict";
const nodePortKey = "type inet_proto . inet_service : verdict";
const maps = {
  "firewall-ips": serviceKey,
  "no-endpoint-services": serviceKey,
  "no-endpoint-nodeports": nodePortKey,
  "service-ips": serviceKey,
  "service-nodeports": nodePortKey,
};

/** Everything that is not of one service. */
function base({ nodeAddress, serviceCidr }: RuleFacts): string[] {
  const destination = "ip daddr . meta l4proto . th dport vmap";
  return [
    `add table ${table}`,
    `add set ${table} cluster-ips { type ipv4_addr ; }`,
    `add set ${table} nodeport-ips { type ipv4_addr ; }`,
    ...Object.entries(maps).map(([name, type]) => `add map ${table} ${name} { ${type} ; }`),
    ...Object.entries(baseChains).map(([name, hook]) => `add chain ${table} ${name} { ${hook} ; }`),
    ...otherChains.map((name) => `add chain ${table} ${name}`),
    rule("filter-prerouting-pre-dnat", "ct state new jump firewall-check"),
    rule("filter-output-pre-dnat", "ct state new jump firewall-check"),
    rule("filter-input", "ct state new jump nodeport-endpoints-check"),
    rule("filter-input", "ct state new jump service-endpoints-check"),
    rule("filter-forward", "ct state new jump service-endpoints-check"),
    rule("filter-forward", "ct state new jump cluster-ips-check"),
    rule("filter-output", "ct state new jump service-endpoints-check"),
    rule("filter-output", "ct state new jump cluster-ips-check"),
    rule("firewall-check", `${destination} @firewall-ips`),
    rule(
      "nodeport-endpoints-check",
      "ip daddr @nodeport-ips meta l4proto . th dport vmap @no-endpoint-nodeports",
    ),
    rule("service-endpoints-check", `${destination} @no-endpoint-services`),
    rule("cluster-ips-check", "ip daddr @cluster-ips reject"),
    rule("cluster-ips-check", `ip daddr { ${serviceCidr} } drop`),
    rule("reject-chain", "reject"),
    rule("mark-for-masquerade", `mark set mark or ${mark}`),
    rule("masquerading", `mark and ${mark} == 0 return`),
    rule("masquerading", `mark set mark xor ${mark}`),
    rule("masquerading", "masquerade fully-random"),
    rule("nat-prerouting", "jump services"),
    rule("nat-output", "jump services"),
    rule("nat-postrouting", "jump masquerading"),
    rule("services", `${destination} @service-ips`),
    rule("services", "ip daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports"),
    element("nodeport-ips", nodeAddress),
  ];
}

/** Chains, rules and map elements of one service. */
function own(service: BenchService, { podCidr }: RuleFacts): string[] {
  const { clusterIp, port, nodePort, endpoints } = service;
  const chain = chainOf("service", service);
  const external = chainOf("external", service);
  const targets = endpoints.map(
    (endpoint, index) => `${index} : goto ${endpointChain(service, endpoint)}`,
  );
  return [
    `add chain ${table} ${chain}`,
    ...endpoints.flatMap((endpoint) => endpointRules(service, endpoint)),
    rule(chain, `ip daddr ${clusterIp} ip saddr != ${podCidr} jump mark-for-masquerade`),
    rule(chain, `numgen random mod ${endpoints.length} vmap { ${targets.join(" , ")} }`),
    element("cluster-ips", clusterIp),
    element("service-ips", `${clusterIp} . tcp . ${port} : goto ${chain}`),
    ...(nodePort === undefined
      ? []
      : [
          `add chain ${table} ${external}`,
          rule(external, "jump mark-for-masquerade"),
          rule(external, `goto ${chain}`),
          element("service-nodeports", `tcp . ${nodePort} : goto ${external}`),
        ]),
  ];
}

function endpointRules(service: BenchService, endpoint: ServiceEndpoint): string[] {
  const { address, port } = endpoint;
  const chain = endpointChain(service, endpoint);
  return [
    `add chain ${table} ${chain}`,
    rule(chain, `ip saddr ${address} jump mark-for-masquerade`),
    rule(chain, `meta l4proto tcp dnat to ${address}:${port}`),
  ];
}

function rule(chain: string, text: string): string {
  return `add rule ${table} ${chain} ${text}`;
}

function element(set: string, text: string): string {
  return `add element ${table} ${set} { ${text} }`;
}

function chainOf(kind: "service" | "external", service: BenchService): string {
  const title = titleOf(service);
  return `${kind}-${hashed([title], 8)}-${title}`;
}

function endpointChain(service: BenchService, { address, port }: ServiceEndpoint): string {
  const title = `${titleOf(service)}__${address}/${port}`;
  return `endpoint-${hashed([title], 8)}-${title}`;
}

function titleOf({ namespace, name, port }: BenchService): string {
  return `${namespace}/${name}/tcp/p${port}`;
}
