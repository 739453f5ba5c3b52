// The slow and obvious twin of the filters: every field spelled out again, nothing compiled, nothing remembered, other
// means wherever there are any (JavaScript's own regular expressions and URL parser, numbers for addresses).
import { Address } from "@tsilium/net";
import type { FlowFilter } from "../../gen/flow/flow_pb.ts";
import type { Flow, FlowEndpoint, Layer7 } from "../../model.ts";

export function twinMatches(
  whitelist: readonly FlowFilter[],
  blacklist: readonly FlowFilter[],
  flow: Flow,
): boolean {
  if (blacklist.some((filter) => twinMatchesOne(filter, flow))) return false;
  return whitelist.length === 0 || whitelist.some((filter) => twinMatchesOne(filter, flow));
}

function twinMatchesOne(filter: FlowFilter, flow: Flow): boolean {
  const { source, destination, ip, l4, l7 } = flow;
  const http = l7?.kind === "http" ? l7 : undefined;
  const ports = l4 && "sourcePort" in l4 ? l4 : undefined;
  const checks: [readonly unknown[], boolean][] = [
    [filter.sourceIp, filter.sourceIp.some((each) => isInside(ip?.source, each))],
    [filter.destinationIp, filter.destinationIp.some((each) => isInside(ip?.destination, each))],
    [filter.sourceIpXlated, filter.sourceIpXlated.some((each) => isInside(ip?.sourceXlated, each))],
    [
      filter.sourcePod,
      filter.sourcePod.some((each) => isNamed(each, source.namespace, source.podName)),
    ],
    [
      filter.destinationPod,
      filter.destinationPod.some((each) =>
        isNamed(each, destination.namespace, destination.podName),
      ),
    ],
    [
      filter.sourceService,
      filter.sourceService.some((each) =>
        isNamed(each, flow.sourceService?.namespace, flow.sourceService?.name),
      ),
    ],
    [
      filter.destinationService,
      filter.destinationService.some((each) =>
        isNamed(each, flow.destinationService?.namespace, flow.destinationService?.name),
      ),
    ],
    [
      filter.sourceFqdn,
      filter.sourceFqdn.some((each) => flow.sourceNames.some((name) => isGlob(each, name))),
    ],
    [
      filter.destinationFqdn,
      filter.destinationFqdn.some((each) =>
        flow.destinationNames.some((name) => isGlob(each, name)),
      ),
    ],
    [filter.sourceLabel, filter.sourceLabel.some((each) => isSelected(each, source.labels))],
    [
      filter.destinationLabel,
      filter.destinationLabel.some((each) => isSelected(each, destination.labels)),
    ],
    [filter.nodeLabels, filter.nodeLabels.some((each) => isSelected(each, flow.nodeLabels))],
    [filter.sourceWorkload, filter.sourceWorkload.some((each) => hasWorkload(each, source))],
    [
      filter.destinationWorkload,
      filter.destinationWorkload.some((each) => hasWorkload(each, destination)),
    ],
    [filter.sourceClusterName, filter.sourceClusterName.includes(source.clusterName)],
    [
      filter.destinationClusterName,
      filter.destinationClusterName.includes(destination.clusterName),
    ],
    [filter.sourceIdentity, filter.sourceIdentity.includes(source.identity)],
    [filter.destinationIdentity, filter.destinationIdentity.includes(destination.identity)],
    [filter.verdict, (filter.verdict as number[]).includes(flow.verdict)],
    [
      filter.dropReasonDesc,
      flow.verdict === 2 && (filter.dropReasonDesc as number[]).includes(flow.dropReason),
    ],
    [filter.eventType, filter.eventType.some((each) => isEvent(each, flow))],
    [filter.trafficDirection, (filter.trafficDirection as number[]).includes(flow.direction)],
    [filter.reply, replyOf(flow) !== undefined && filter.reply.includes(replyOf(flow) as boolean)],
    [filter.encrypted, filter.encrypted.includes(ip ? ip.encrypted : false)],
    [filter.ipVersion, (filter.ipVersion as number[]).includes(ip ? ip.version : 0)],
    [filter.uuid, filter.uuid.includes(flow.uuid)],
    [
      filter.interface,
      filter.interface.some(
        ({ index, name }) =>
          flow.interface !== undefined &&
          [0, flow.interface.index].includes(index) &&
          ["", flow.interface.name].includes(name),
      ),
    ],
    [filter.traceId, filter.traceId.includes("")],
    [filter.ipTraceId, false],
    [
      filter.protocol,
      filter.protocol.some((each) => protocolsOf(flow).includes(each.toLowerCase())),
    ],
    [filter.sourcePort, filter.sourcePort.some((each) => ports?.sourcePort === Number(each))],
    [
      filter.destinationPort,
      filter.destinationPort.some((each) => ports?.destinationPort === Number(each)),
    ],
    [
      filter.tcpFlags,
      filter.tcpFlags.some(
        ({ SYN, ACK, RST }) =>
          l4?.kind === "tcp" &&
          l4.flags !== undefined &&
          (!SYN || l4.flags.syn) &&
          (!ACK || l4.flags.ack) &&
          (!RST || l4.flags.rst),
      ),
    ],
    [filter.nodeName, filter.nodeName.some((each) => isNode(each, flow.nodeName))],
    [
      filter.dnsQuery,
      filter.dnsQuery.some((each) => l7?.kind === "dns" && new RegExp(each).test(l7.query)),
    ],
    [
      filter.httpStatusCode,
      filter.httpStatusCode.some(
        (each) =>
          http !== undefined &&
          http.code >= 100 &&
          String(http.code).startsWith(each.replace("+", "")),
      ),
    ],
    [
      filter.httpMethod,
      filter.httpMethod.some(
        (each) =>
          http !== undefined &&
          http.method !== "" &&
          http.method.toLowerCase() === each.toLowerCase(),
      ),
    ],
    [
      filter.httpPath,
      filter.httpPath.some(
        (each) =>
          http !== undefined &&
          pathOf(http) !== undefined &&
          new RegExp(each).test(pathOf(http) as string),
      ),
    ],
    [
      filter.httpUrl,
      filter.httpUrl.some(
        (each) => http !== undefined && http.url !== "" && new RegExp(each).test(http.url),
      ),
    ],
    [
      filter.httpHeader,
      filter.httpHeader.some(({ key, value }) =>
        http?.headers.some((header) => header.key === key && header.value === value),
      ),
    ],
    [
      filter.experimental?.celExpression ?? [],
      (filter.experimental?.celExpression ?? []).some((each) => isTrue(each, flow)),
    ],
  ];
  return checks.every(([values, holds]) => values.length === 0 || holds);
}

function isInside(text: string | undefined, range: string): boolean {
  const address = Address.tryParse(text ?? "");
  if (!address) return false;
  const [network = "", length] = range.split("/");
  const wanted = Address.parse(network);
  if (wanted.family !== address.family) return false;
  const bits = address.family === 4 ? 32 : 128;
  const shift = BigInt(bits - Number(length ?? bits));
  return address.toBigInt() >> shift === wanted.toBigInt() >> shift;
}

function isNamed(pattern: string, namespace = "", name = ""): boolean {
  if (namespace + name === "") return false;
  const [wanted, prefix] = pattern.includes("/") ? pattern.split("/") : ["default", pattern];
  return (wanted === "" || wanted === namespace) && name.startsWith(prefix as string);
}

function isGlob(pattern: string, name: string): boolean {
  if (pattern === "") return /^[-0-9_a-z]+(\.[-0-9_a-z]+)*$/.test(name);
  const parts = pattern.split("*").map((part) => part.replaceAll(".", "[.]"));
  return new RegExp(`^${parts.join("[-.0-9a-z]*")}$`).test(name);
}

function isNode(pattern: string, name: string): boolean {
  if (name === "") return false;
  const [cluster, node] = name.includes("/") ? name.split("/") : ["default", name];
  const [wantedCluster, wantedNode] = pattern.includes("/") ? pattern.split("/") : ["", pattern];
  return (
    isGlob(wantedCluster as string, cluster as string) &&
    isGlob(wantedNode as string, node as string)
  );
}

/** Only the selectors of filters.ts. */
function isSelected(selector: string, labels: readonly string[]): boolean {
  const app = labels.find((label) => label.startsWith("k8s:app="));
  const arch = labels.find((label) => label.startsWith("kubernetes.io/arch="));
  const zone = labels.find((label) => label.startsWith("zone="));
  switch (selector) {
    case "app":
      return app !== undefined;
    case "app=web":
      return app === "k8s:app=web";
    case "k8s:app in (web, api)":
      return app === "k8s:app=web" || app === "k8s:app=api";
    case "!app":
      return app === undefined;
    case "app notin (web)":
      return app !== "k8s:app=web";
    case "reserved:host":
      return labels.includes("reserved:host");
    case "any:tier>0":
      return labels.includes("k8s:tier=1");
    case "cidr:10.0.0.0/8":
      return labels.includes("cidr:10.1.0.0/16");
    case "":
      return true;
    case "zone=a":
      return zone === "zone=a";
    case "!zone":
      return zone === undefined;
    case "kubernetes.io/arch":
      return arch !== undefined;
    default:
      throw new Error(`the twin does not know ${selector}`);
  }
}

function hasWorkload(wanted: { name: string; kind: string }, { workloads }: FlowEndpoint): boolean {
  return workloads.some(
    ({ name, kind }) => ["", name].includes(wanted.name) && ["", kind].includes(wanted.kind),
  );
}

function isEvent(
  { type, matchSubType, subType }: { type: number; matchSubType: boolean; subType: number },
  { eventType, dropReason, policyMatchType }: Flow,
): boolean {
  const kinds = [[eventType.type, eventType.subType]];
  // One flow for what Cilium sends as a drop and as a verdict.
  if (eventType.type === 1 && [133, 181].includes(dropReason)) kinds.push([5, policyMatchType]);
  return kinds.some(
    ([kind, sub], index) =>
      (type === kind || (type === 0 && index === 0)) && (!matchSubType || subType === sub),
  );
}

function replyOf({ isReply, verdict }: Flow): boolean | undefined {
  return isReply ?? (verdict === 2 ? false : undefined);
}

function protocolsOf({ l4, l7 }: Flow): string[] {
  const found: string[] = l7 ? [l7.kind] : [];
  if (l4?.kind === "icmp4") found.push("icmp", "icmpv4");
  else if (l4?.kind === "icmp6") found.push("icmp", "icmpv6");
  else if (l4) found.push(l4.kind);
  return found;
}

/** Only the URLs of flows.ts. */
function pathOf({ url }: Extract<Layer7, { readonly kind: "http" }>): string | undefined {
  if (url === "" || url === "not a url") return undefined;
  if (url === "*") return "*";
  return decodeURIComponent(new URL(url, "http://none").pathname);
}

/** Only the expressions of filters.ts. */
function isTrue(expression: string, { verdict, l4, source }: Flow): boolean {
  if (expression.includes("Verdict")) return verdict === 2;
  if (expression.includes("TCP")) return l4?.kind === "tcp" && l4.destinationPort === 80;
  return source.labels.includes("k8s:app=web");
}
