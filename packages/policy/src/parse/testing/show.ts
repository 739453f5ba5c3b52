// A parsed policy as text, for tests to compare: a line per spec, per rule and per warning; or a line per problem.
import { load } from "js-yaml";
import type { LabelSelector, Peer, PolicySpec, PortMatch, Requirement, Rule } from "../../model.ts";
import { parsePolicy } from "../parse.ts";
import type { ParseOptions, Problem } from "../result.ts";

const options: ParseOptions = { clusterName: "default" };

/** How an object is understood, or why not. */
export function show(object: unknown, given: Partial<ParseOptions> = {}): string {
  const result = parsePolicy(object, { ...options, ...given });
  if (!result.ok) return lines(result.problems.map((each) => `problem ${showProblem(each)}`));
  return lines([
    ...result.policy.specs.flatMap((spec) => [showSpec(spec), ...spec.rules.map(showRule)]),
    ...result.warnings.map((warning) => `warning ${showProblem(warning)}`),
  ]);
}

/** A CiliumNetworkPolicy shop/p with this spec. */
export function cnp(spec: string): object {
  return {
    apiVersion: "cilium.io/v2",
    kind: "CiliumNetworkPolicy",
    metadata: { name: "p", namespace: "shop" },
    spec: load(spec),
  };
}

/** A CiliumClusterwideNetworkPolicy p with this spec. */
export function ccnp(spec: string): object {
  return {
    apiVersion: "cilium.io/v2",
    kind: "CiliumClusterwideNetworkPolicy",
    metadata: { name: "p" },
    spec: load(spec),
  };
}

/** A NetworkPolicy shop/p with this spec. */
export function np(spec: string): object {
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: "p", namespace: "shop" },
    spec: load(spec),
  };
}

/** A ClusterNetworkPolicy p with this spec. */
export function clusterPolicy(spec: string): object {
  return {
    apiVersion: "policy.networking.k8s.io/v1alpha2",
    kind: "ClusterNetworkPolicy",
    metadata: { name: "p" },
    spec: load(spec),
  };
}

/** An expectation as it stands in a test: indented, between line breaks. */
export function text(expected: string): string {
  return lines(expected.split("\n").map((line) => line.trim()));
}

export function showProblem({ path, message, value }: Problem): string {
  return `${path}: ${message}${value === undefined ? "" : ` (${JSON.stringify(value)})`}`;
}

function lines(all: readonly string[]): string {
  return all.filter((line) => line !== "").join("\n");
}

function showSpec({ path, subject, tier, priority, defaultDeny }: PolicySpec): string {
  const isolates = (["ingress", "egress"] as const).filter((each) => defaultDeny[each]).join("+");
  const place = tier === "normal" ? "" : ` ${tier} ${priority}`;
  return `${path}${place}: ${subject.kind} ${showSelector(subject.selector)} isolates ${isolates || "nothing"}`;
}

function showRule({ direction, verdict, peers, ports, l7, path }: Rule): string {
  const who = peers === undefined ? "anyone" : peers.map(showPeer).join(" | ") || "nobody";
  const what = ports === undefined ? "everything" : ports.map(showPort).join(" ") || "nothing";
  const proxy = l7 ? ` by ${l7.protocol}` : "";
  return `${path}: ${verdict} ${direction} ${who} on ${what}${proxy}`;
}

export function showSelector(selector: LabelSelector): string {
  return `{${selector.map(showRequirement).join(" & ")}}`;
}

function showRequirement({ source, key, operator, values }: Requirement): string {
  const name = `${source}:${key}`
    .replace("k8s:io.kubernetes.pod.namespace", "ns")
    .replace("k8s:io.cilium.k8s.namespace.labels.", "ns/");
  switch (operator) {
    case "In":
      return values.length === 1 ? `${name}=${values[0]}` : `${name} in ${values.join(",")}`;
    case "NotIn":
      return `${name} not in ${values.join(",")}`;
    case "Exists":
      return name;
    case "DoesNotExist":
      return `!${name}`;
  }
}

function showPeer(peer: Peer): string {
  switch (peer.kind) {
    case "labels":
      return showSelector(peer.selector);
    case "cidr":
      return `${peer.prefix}${showExcept(peer.except)} ${peer.scope}`;
    case "cidr-group":
      return `group ${peer.name}${showExcept(peer.except)}`;
    case "cidr-group-selector":
      return `groups ${showSelector(peer.selector)}${showExcept(peer.except)}`;
    case "service":
      return `service ${peer.namespace}/${peer.name}`;
    case "service-selector":
      return `services ${peer.namespace ?? "*"}/${showSelector(peer.selector)}`;
    case "fqdn":
      return `dns ${peer.matchName ?? peer.matchPattern}`;
  }
}

function showExcept(except: readonly unknown[]): string {
  return except.map((prefix) => ` - ${String(prefix)}`).join("");
}

function showPort(match: PortMatch): string {
  switch (match.kind) {
    case "icmp":
      return `icmp${match.family}/${match.type}`;
    case "named":
      return `${match.name}/${protocolName(match.protocol)}`;
    case "range": {
      const { first, last } = match;
      const range =
        first === 0 && last === 65_535 ? "*" : first === last ? first : `${first}-${last}`;
      return `${range}/${protocolName(match.protocol)}`;
    }
  }
}

function protocolName(protocol: number): string {
  return ({ 6: "tcp", 17: "udp", 132: "sctp" } as Record<number, string>)[protocol] ?? "?";
}
