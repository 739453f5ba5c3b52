// Which addresses the world is to reach through a node: load balancers' and external ones. Never a pod's, a cluster IP,
// or what a node or the world host itself has, whatever an object says. Pure; objects may hold anything.
import type { CiliumLoadBalancerIPPool, LoadBalancerIPBlock, Service } from "@tsilium/kube";
import { Address, bitsOf, Prefix } from "@tsilium/net";
import type { Settings } from "../cluster/settings.ts";
import { fabricAddresses, type NodeLayout, worldAddresses, worldGateways } from "../layout.ts";

/** What the API server allocates cluster IPs from, and what is nobody's in particular. */
const neverRouted = [
  "10.96.0.0/16",
  "fd00:10:96::/112",
  "0.0.0.0/8",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "224.0.0.0/3",
  "::/96",
  "::ffff:0:0/96",
  "fe80::/10",
  "ff00::/8",
].map((text) => Prefix.parse(text));

/** Pool blocks that do not end on a prefix's bounds become several prefixes; what needs more is cut off. */
const mostPrefixes = 256;

/** All that must not be routed from outside. @param settings the lab's, with the pod ranges */
export function reservedPrefixes(
  nodes: readonly NodeLayout[],
  settings: Settings,
): readonly Prefix[] {
  const wired = [fabricAddresses, worldGateways, worldAddresses, ...nodes].flatMap(
    ({ ipv4, ipv6 }) => [ipv4, ipv6].map((text) => Prefix.host(Address.parse(text))),
  );
  const pods = ["cluster-pool-ipv4-cidr", "cluster-pool-ipv6-cidr"].flatMap((key) =>
    (settings[key] ?? "")
      .split(/[\s,]+/)
      .map((text) => Prefix.tryParse(text, { mask: true }))
      .filter((prefix) => prefix !== undefined),
  );
  return [...neverRouted, ...wired, ...pods];
}

/** Addresses of a service that clients from outside use: its load balancer's (but a proxy's) and external ones. */
export function outsideAddresses(service: Service, reserved: readonly Prefix[]): Prefix[] {
  const { spec, status } = service;
  if (spec?.type === "ExternalName") return [];
  const ingress = spec?.type === "LoadBalancer" ? listOf(status?.loadBalancer?.ingress) : [];
  const texts = [
    ...ingress.filter((entry) => entry?.ipMode !== "Proxy").map((entry) => entry?.ip),
    ...listOf(spec?.externalIPs),
  ];
  return routable(
    texts.map((text) => hostOf(text)),
    reserved,
  );
}

/** The blocks of a pool as prefixes. */
export function poolPrefixes(
  { spec }: CiliumLoadBalancerIPPool,
  reserved: readonly Prefix[],
): Prefix[] {
  return routable(listOf(spec?.blocks).flatMap(blockPrefixes), reserved);
}

function routable(
  prefixes: readonly (Prefix | undefined)[],
  reserved: readonly Prefix[],
): Prefix[] {
  const unique = new Map(
    prefixes.filter((each) => each !== undefined).map((each) => [each.toString(), each]),
  );
  return [...unique.values()].filter((prefix) => !reserved.some((other) => other.overlaps(prefix)));
}

function hostOf(text: unknown): Prefix | undefined {
  const address = typeof text === "string" ? Address.tryParse(text) : undefined;
  return address && Prefix.host(address);
}

function blockPrefixes(block: LoadBalancerIPBlock | undefined): Prefix[] {
  const { cidr, start, stop } = block ?? {};
  if (typeof cidr === "string") {
    const prefix = Prefix.tryParse(cidr, { mask: true }) ?? hostOf(cidr);
    return prefix ? [prefix] : [];
  }
  const first = hostOf(start)?.address;
  const last = hostOf(stop ?? start)?.address;
  return first && last && first.family === last.family ? rangePrefixes(first, last) : [];
}

/** The fewest prefixes that together are the addresses from `first` to `last`. */
function rangePrefixes(first: Address, last: Address): Prefix[] {
  const bits = bitsOf(first.family);
  const end = last.toBigInt();
  const found: Prefix[] = [];
  for (let at = first.toBigInt(); at <= end && found.length < mostPrefixes;) {
    let host = 0;
    // The widest block that begins here and does not reach beyond the end.
    while (
      host < bits &&
      (at & (1n << BigInt(host))) === 0n &&
      at + (2n << BigInt(host)) - 1n <= end
    )
      host++;
    found.push(Prefix.of(Address.fromBigInt(at, first.family), bits - host));
    at += 1n << BigInt(host);
  }
  return found;
}

/** Objects that came past another API server may have anything where a list is wanted. */
function listOf<T>(value: readonly T[] | undefined): readonly T[] {
  return Array.isArray(value) ? value : [];
}
