// What a node should serve, worked out again from the objects themselves: slowly, one frontend and one client at a time, with
// nothing kept and nothing shared. Knows objects as `generate.ts` makes them.
//
// Lines are those of `KernelTables.text`.
import type { CiliumLocalRedirectPolicy, EndpointSlice, Pod, Service } from "@tsilium/kube";
import { Address, Prefix } from "@tsilium/net";
import { cookieOf, type World } from "./world.ts";

type Scope = "external" | "internal";

/** Somebody who wants a frontend. */
type Claim = {
  readonly key: string;
  readonly rank: number;
  readonly yields: boolean;
  readonly created: number;
  readonly owner: string;
  readonly address: string;
  readonly line: () => string;
};

type Endpoint = {
  readonly text: string;
  readonly port: number;
  readonly ready: boolean;
  readonly fallback: boolean;
  readonly node: string | undefined;
  readonly zones: readonly string[];
  readonly nodes: readonly string[];
};

export function naiveText(world: World): string {
  const claims = [
    ...[...world.services.values()].flatMap((service) => serviceClaims(world, service)),
    ...[...world.pods.values()].flatMap((pod) => podClaims(world, pod)),
    ...[...world.policies.values()].flatMap((policy) => policyClaims(world, policy)),
  ];
  const allowed = claims.filter((claim) => !isBarred(world, claim, claims));
  const lines = new Set(allowed.map(({ key }) => key)).values().map((key) => {
    const rivals = allowed.filter((claim) => claim.key === key);
    return rivals.reduce((best, claim) => (goesBefore(claim, best) ? claim : best)).line();
  });
  return [...[...lines].toSorted(), ...backendLines(world)].join("\n");
}

function goesBefore(a: Claim, b: Claim): boolean {
  if (a.rank !== b.rank) return a.rank < b.rank;
  if (a.yields !== b.yields) return b.yields;
  if (a.created !== b.created) return a.created < b.created;
  return a.owner < b.owner;
}

/** Load balancers' addresses and external IPs yield to cluster IPs, redirects to them all. */
function isBarred(world: World, claim: Claim, claims: readonly Claim[]): boolean {
  if (claim.rank < 3) return false;
  const isOthersClusterIp = [...world.services.values()].some(
    (service) =>
      ownerOf(service) !== claim.owner && service.spec.clusterIPs?.includes(claim.address),
  );
  const isOthersOutside = claims.some(
    ({ rank, address, owner }) =>
      (rank === 3 || rank === 4) && address === claim.address && owner !== claim.owner,
  );
  return isOthersClusterIp || (claim.rank === 5 && isOthersOutside);
}

function ownerOf({ metadata }: { readonly metadata: Service["metadata"] }): string {
  return `${metadata.namespace}/${metadata.name}`;
}

function createdOf({ metadata }: { readonly metadata: Service["metadata"] }): number {
  return Date.parse(metadata.creationTimestamp ?? "");
}

function textOf(address: string, port: number, protocol: string): string {
  return address.includes(":")
    ? `[${address}]:${port}/${protocol}`
    : `${address}:${port}/${protocol}`;
}

function isOn({ settings }: World, address: string): boolean {
  return address.includes(":") ? settings.enableIpv6 : settings.enableIpv4;
}

function isNode({ facts }: World, address: string): boolean {
  return facts.clusterAddresses.has(address);
}

/** As far as generated objects go there: bad addresses, pods' addresses, nodes' NodePorts. */
function isRefused(world: World, address: string, port: number): boolean {
  const parsed = Address.parse(address);
  if (parsed.isLoopback) return true;
  if (world.facts.podCidrs.some((prefix) => prefix.contains(parsed))) return true;
  return isNode(world, address) && port >= 30_000 && port <= 32_767;
}

function serviceClaims(world: World, service: Service): Claim[] {
  const { spec, status } = service;
  const { settings, facts } = world;
  if (spec.clusterIP === "None") return [];
  const claims: Claim[] = [];
  const claim = (type: string, address: string, port: number, of: Port | undefined) => {
    const ranks: Record<string, number> = { "cluster-ip": 0, "node-port": 1, lb: 3, ip: 4 };
    const key = of ? textOf(address, port, of.protocol ?? "TCP") : textOf(address, 0, "ANY");
    if (claims.some((each) => each.key === key)) return;
    claims.push({
      key,
      rank: ranks[type] ?? 9,
      yields: false,
      created: createdOf(service),
      owner: ownerOf(service),
      address,
      line: () =>
        of ? serviceLine(world, service, { key, type, address, port, of }) : `${key} address-only`,
    });
  };
  const ports = spec.ports ?? [];
  const clusterIps = (spec.clusterIPs ?? []).filter((address) => isOn(world, address));
  for (const address of clusterIps)
    for (const port of ports) claim("cluster-ip", address, port.port, port);
  if (spec.type !== "ClusterIP" && settings.nodePort)
    for (const family of spec.ipFamilies ?? []) {
      const own = facts.addresses
        .map(String)
        .filter((address) => address.includes(":") === (family === "IPv6"))
        .filter((address) => inAny(address, settings.nodePortAddresses));
      for (const address of [family === "IPv6" ? "::" : "0.0.0.0", ...own])
        for (const port of ports)
          if (port.nodePort && isOn(world, address))
            claim("node-port", address, port.nodePort, port);
    }
  const lbs = (status?.loadBalancer?.ingress ?? []).map(({ ip = "" }) => ip);
  const outside = (type: string, addresses: readonly string[]) => {
    for (const address of addresses)
      for (const port of ports)
        if (
          isOn(world, address) &&
          !spec.clusterIPs?.includes(address) &&
          !isRefused(world, address, port.port)
        )
          claim(type, address, port.port, port);
  };
  if (spec.type === "LoadBalancer" && settings.nodePort) outside("lb", lbs);
  if (settings.externalIps) outside("ip", spec.externalIPs ?? []);
  for (const address of clusterIps) claim("cluster-ip", address, 0, undefined);
  for (const address of lbs)
    if (
      claims.some((each) => each.rank === 3 && each.address === address) &&
      !isNode(world, address)
    )
      claim("lb", address, 0, undefined);
  return claims;
}

function inAny(address: string, prefixes: readonly Prefix[]): boolean {
  return (
    prefixes.length === 0 || prefixes.some((prefix) => prefix.contains(Address.parse(address)))
  );
}

type Port = NonNullable<Service["spec"]["ports"]>[number];
type At = {
  readonly key: string;
  readonly type: string;
  readonly address: string;
  readonly port: number;
  readonly of: Port;
};

function serviceLine(world: World, service: Service, at: At): string {
  const { spec } = service;
  const { settings } = world;
  const redirect = at.type === "cluster-ip" ? redirectOf(world, service, at) : undefined;
  const kind = { "cluster-ip": "cluster-ip", "node-port": "node-port" }[at.type] ?? "external";
  const words = [at.key, kind];
  if (redirect) words.push(redirect.set, redirect.set);
  else
    words.push(
      setFor(world, service, { ...at, scope: "external" }),
      setFor(world, service, { ...at, scope: "internal" }),
    );
  const isDsr =
    settings.mode === "dsr" || (settings.mode === "hybrid" && (at.of.protocol ?? "TCP") === "TCP");
  if (at.type !== "cluster-ip" && isDsr) words.push("dsr");
  if (redirect) words.push("redirect");
  if (spec.loadBalancerSourceRanges && (at.type === "lb" || settings.sourceRangeAllTypes))
    words.push(
      at.address.includes(":")
        ? "from nowhere"
        : `from ${spec.loadBalancerSourceRanges.toSorted().join()}`,
    );
  words.push(...(redirect?.cookies.map((cookie) => `but ${cookie}`).toSorted() ?? []));
  return words.join(" ");
}

/** "[backends, flags]" of one kind of client. */
function setFor(world: World, service: Service, at: At & { readonly scope: Scope }): string {
  const { spec } = service;
  const { settings } = world;
  const isLocal =
    at.scope === "internal" || at.type === "cluster-ip"
      ? spec.internalTrafficPolicy === "Local"
      : spec.externalTrafficPolicy === "Local";
  const isIpv6 = at.address.includes(":");
  const all = endpointsOf(world, service, at.of, isIpv6);
  const isSctp = at.of.protocol === "SCTP";
  const chosen = choose(
    world,
    all.filter(({ port }) => !isSctp || port === at.port),
    isLocal,
  );
  const words = chosen.map(({ text }) => text).toSorted();
  if (spec.sessionAffinity === "ClientIP") words.push("10800s");
  const isSilent =
    isLocal &&
    at.scope === "external" &&
    at.type !== "cluster-ip" &&
    all.some(({ ready, fallback }) => ready || fallback);
  if (isSilent || settings.noBackendResponse === "drop") words.push("silent");
  if (isHashed(world, service, at, isLocal) && chosen.length > 1)
    words.push(`maglev ${chosen.length}`);
  return `[${words.join(" ")}]`;
}

/** Sets that clients from outside meet, wherever else they are used. */
function isHashed(
  world: World,
  service: Service,
  at: At & { readonly scope: Scope },
  isLocal: boolean,
): boolean {
  const { settings } = world;
  if (settings.algorithm !== "maglev") return false;
  const isSilentKind = isLocal && at.scope === "external" && at.type !== "cluster-ip";
  const { externalTrafficPolicy, internalTrafficPolicy } = service.spec;
  const isFromOutside = serviceClaims(world, service).some(
    ({ rank, key }) => rank > 0 && !key.endsWith("/ANY"),
  );
  const byPolicies = isFromOutside && (externalTrafficPolicy === "Local" ? isSilentKind : !isLocal);
  const byClusterIp =
    settings.externalClusterIp &&
    (internalTrafficPolicy === "Local" ? isLocal && !isSilentKind : !isLocal);
  return byPolicies || byClusterIp;
}

function endpointsOf(world: World, service: Service, port: Port, isIpv6: boolean): Endpoint[] {
  const found = slicesOf(world, service)
    .filter(({ addressType }) => addressType === (isIpv6 ? "IPv6" : "IPv4"))
    .flatMap((slice) => sliceEndpoints(slice, port));
  // Once, as ready as anybody says.
  const usefulness = ({ ready, fallback }: Endpoint) => (ready ? 2 : fallback ? 1 : 0);
  return found.filter(
    (each, index) =>
      !found.some(
        (other, at) =>
          other.text === each.text &&
          (usefulness(other) > usefulness(each) ||
            (usefulness(other) === usefulness(each) && at < index)),
      ),
  );
}

function slicesOf(world: World, { metadata }: Service): EndpointSlice[] {
  return [...world.slices.values()]
    .filter((slice) => slice.metadata.namespace === metadata.namespace)
    .filter((slice) => slice.metadata.labels?.["kubernetes.io/service-name"] === metadata.name)
    .toSorted((a, b) => ((a.metadata.name ?? "") < (b.metadata.name ?? "") ? -1 : 1));
}

function sliceEndpoints(slice: EndpointSlice, port: Port): Endpoint[] {
  const match = slice.ports?.find(
    ({ name, protocol, port: number }) =>
      name === (port.name ?? "") && (protocol ?? "TCP") === (port.protocol ?? "TCP") && number,
  );
  if (!match?.port) return [];
  return (slice.endpoints ?? []).map(({ addresses, conditions, nodeName, hints }) => ({
    text: textOf(addresses[0] ?? "", match.port ?? 0, port.protocol ?? "TCP"),
    port: match.port ?? 0,
    ready: conditions?.ready !== false,
    fallback:
      conditions?.ready === false &&
      conditions.terminating === true &&
      conditions.serving !== false,
    node: nodeName,
    zones: hints?.forZones?.map(({ name }) => name) ?? [],
    nodes: hints?.forNodes?.map(({ name }) => name) ?? [],
  }));
}

function choose(world: World, all: readonly Endpoint[], isLocal: boolean): readonly Endpoint[] {
  const { facts, settings } = world;
  const near = isLocal ? all.filter(({ node }) => node === facts.name) : all;
  const ready = near.filter((each) => each.ready);
  if (ready.length === 0) return near.filter(({ fallback }) => fallback);
  if (isLocal || !settings.serviceTopology) return ready;
  if (
    ready.every(({ nodes }) => nodes.length > 0) &&
    ready.some(({ nodes }) => nodes.includes(facts.name))
  )
    return ready.filter(({ nodes }) => nodes.includes(facts.name));
  const { zone } = facts;
  if (
    zone !== undefined &&
    ready.every(({ zones }) => zones.length > 0) &&
    ready.some(({ zones }) => zones.includes(zone))
  )
    return ready.filter(({ zones }) => zones.includes(zone));
  return ready;
}

type Redirect = { readonly set: string; readonly cookies: readonly bigint[] };

function redirectOf(world: World, service: Service, at: At): Redirect | undefined {
  const protocol = at.of.protocol ?? "TCP";
  const policies = [...world.policies.values()]
    .filter(({ metadata, spec }) => {
      const matcher = spec?.redirectFrontend.serviceMatcher;
      const isThis = matcher && `${matcher.namespace}/${matcher.serviceName}` === ownerOf(service);
      const isItsPort = !matcher?.toPorts || (at.port === 53 && protocol === "UDP");
      return isThis && metadata.namespace === matcher.namespace && isItsPort;
    })
    .toSorted((a, b) => createdOf(a) - createdOf(b) || (ownerOf(a) < ownerOf(b) ? -1 : 1));
  if (protocol !== "UDP" || !world.settings.localRedirectPolicy) return undefined;
  const affinity = service.spec.sessionAffinity === "ClientIP" ? "10800s" : undefined;
  return policies
    .map((policy) => redirectTo(world, policy, { address: at.address, affinity }))
    .find((found) => found);
}

/** To port 53 of pods labelled app=cache. */
function redirectTo(
  world: World,
  policy: CiliumLocalRedirectPolicy,
  { address, affinity }: { readonly address: string; readonly affinity: string | undefined },
): Redirect | undefined {
  const skips = policy.spec?.skipRedirectFromBackend === true;
  const isIpv6 = address.includes(":");
  const pods = [...world.pods.values()].filter(
    ({ metadata, spec, status }) =>
      metadata.namespace === policy.metadata.namespace &&
      metadata.labels?.["app"] === "cache" &&
      spec.nodeName === world.facts.name &&
      status?.phase === "Running",
  );
  const ready = pods.filter(isReadyPod).filter((pod) => addressOf(pod, isIpv6));
  const staying = ready.filter(({ metadata }) => !metadata.deletionTimestamp);
  const chosen = staying.length > 0 ? staying : ready;
  if (chosen.length === 0) return undefined;
  const words = chosen.map((pod) => textOf(addressOf(pod, isIpv6) ?? "", 53, "UDP"));
  const set = [
    ...[...new Set(words)].toSorted(),
    ...(affinity ? [affinity] : []),
    ...(world.settings.noBackendResponse === "drop" ? ["silent"] : []),
  ];
  return { set: `[${set.join(" ")}]`, cookies: skips ? [...new Set(pods.map(cookieOf))] : [] };
}

function isReadyPod({ status }: Pod): boolean {
  return (
    status?.conditions?.some(({ type, status: is }) => type === "Ready" && is === "True") ?? false
  );
}

function addressOf({ status }: Pod, isIpv6: boolean): string | undefined {
  return status?.podIPs?.map(({ ip }) => ip).find((ip) => ip.includes(":") === isIpv6);
}

function policyClaims(world: World, policy: CiliumLocalRedirectPolicy): Claim[] {
  const matcher = policy.spec?.redirectFrontend.addressMatcher;
  if (!matcher || !world.settings.localRedirectPolicy || !isOn(world, matcher.ip)) return [];
  if (isNode(world, matcher.ip) || isRefused(world, matcher.ip, 53)) return [];
  const found = redirectTo(world, policy, { address: matcher.ip, affinity: undefined });
  if (!found) return [];
  const key = textOf(matcher.ip, 53, "UDP");
  const words = [key, "cluster-ip", found.set, found.set, "redirect"];
  words.push(...found.cookies.map((cookie) => `but ${cookie}`).toSorted());
  const owner = `${ownerOf(policy)}:local-redirect`;
  return [
    {
      key,
      rank: 5,
      yields: false,
      created: createdOf(policy),
      owner,
      address: matcher.ip,
      line: () => words.join(" "),
    },
  ];
}

function podClaims(world: World, pod: Pod): Claim[] {
  const { settings, facts } = world;
  const port = pod.spec.containers[0]?.ports?.find(({ hostPort }) => hostPort);
  if (!port || !settings.hostPort || pod.status?.phase !== "Running") return [];
  if (pod.spec.nodeName !== facts.name) return [];
  return (pod.status.podIPs ?? []).flatMap(({ ip }) => {
    const isIpv6 = ip.includes(":");
    const own = facts.addresses.map(String).filter((address) => address.includes(":") === isIpv6);
    const at = port.hostIP
      ? own.filter((address) => address === port.hostIP)
      : [isIpv6 ? "::" : "0.0.0.0", ...own];
    const silent = settings.noBackendResponse === "drop" ? " silent" : "";
    const set = `[${textOf(ip, port.containerPort, "TCP")}${silent}]`;
    return at
      .filter((address) => isOn(world, address))
      .map((address) => {
        const key = textOf(address, port.hostPort ?? 0, "TCP");
        return {
          key,
          rank: 2,
          yields: pod.metadata.deletionTimestamp !== undefined,
          created: createdOf(pod),
          owner: `${ownerOf(pod)}:host-port`,
          address,
          line: () => `${key} host-port ${set} ${set}`,
        };
      });
  });
}

/** Every endpoint that anything served has; active if it is so for any. */
function backendLines(world: World): string[] {
  const active = new Map<string, boolean>();
  const add = (text: string, isActive: boolean) => {
    active.set(text, isActive || (active.get(text) ?? false));
  };
  for (const service of world.services.values()) {
    const claims = serviceClaims(world, service);
    for (const port of service.spec.ports ?? [])
      for (const isIpv6 of [false, true]) {
        const isAsked = claims.some(
          ({ address, key }) =>
            address.includes(":") === isIpv6 && !key.endsWith("/ANY") && asksFor(key, port),
        );
        if (!isAsked) continue;
        for (const { text, ready } of endpointsOf(world, service, port, isIpv6)) add(text, ready);
      }
    for (const [address, port] of redirectedAt(world, service, claims))
      redirectPods(world, service, { address, port }).forEach(([text, isActive]) =>
        add(text, isActive),
      );
  }
  for (const pod of world.pods.values())
    for (const { line } of podClaims(world, pod))
      add(/ \[(\S+?\/TCP)/.exec(line())?.[1] ?? "", true);
  for (const policy of world.policies.values())
    if (policyClaims(world, policy).length > 0) {
      const ip = policy.spec?.redirectFrontend.addressMatcher?.ip ?? "";
      for (const [text, isActive] of podsOf(world, policy, ip.includes(":"))) add(text, isActive);
    }
  return [...active]
    .map(([text, isActive]) => `${text} ${isActive ? "active" : "terminating"}`)
    .toSorted();
}

function asksFor(key: string, port: Port): boolean {
  const protocol = port.protocol ?? "TCP";
  return [port.port, port.nodePort].some((number) => key.endsWith(`:${number}/${protocol}`));
}

function redirectedAt(world: World, service: Service, claims: readonly Claim[]): [string, Port][] {
  return (service.spec.ports ?? []).flatMap((port): [string, Port][] =>
    claims
      .filter(
        ({ rank, key }) => rank === 0 && key.endsWith(`:${port.port}/${port.protocol ?? "TCP"}`),
      )
      .filter(({ key, address }) =>
        redirectOf(world, service, { key, type: "cluster-ip", address, port: port.port, of: port }),
      )
      .map(({ address }) => [address, port]),
  );
}

function redirectPods(
  world: World,
  service: Service,
  { address, port }: { readonly address: string; readonly port: Port },
): [string, boolean][] {
  const policies = [...world.policies.values()]
    .filter(({ spec, metadata }) => {
      const matcher = spec?.redirectFrontend.serviceMatcher;
      return (
        matcher &&
        `${matcher.namespace}/${matcher.serviceName}` === ownerOf(service) &&
        metadata.namespace === matcher.namespace &&
        (!matcher.toPorts || port.port === 53)
      );
    })
    .toSorted((a, b) => createdOf(a) - createdOf(b) || (ownerOf(a) < ownerOf(b) ? -1 : 1));
  const policy = policies.find((each) => redirectTo(world, each, { address, affinity: undefined }));
  return policy ? podsOf(world, policy, address.includes(":")) : [];
}

function podsOf(
  world: World,
  policy: CiliumLocalRedirectPolicy,
  isIpv6: boolean,
): [string, boolean][] {
  return [...world.pods.values()].flatMap((pod): [string, boolean][] => {
    const { metadata, spec, status } = pod;
    const ip = addressOf(pod, isIpv6);
    const isSelected =
      metadata.namespace === policy.metadata.namespace &&
      metadata.labels?.["app"] === "cache" &&
      spec.nodeName === world.facts.name &&
      status?.phase === "Running";
    if (!ip || !isSelected) return [];
    return [[textOf(ip, 53, "UDP"), isReadyPod(pod) && !metadata.deletionTimestamp]];
  });
}
