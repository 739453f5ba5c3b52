// A request's filters -> one matcher. Fields of a filter all have to match (AND), of a field's values any (OR), of a
// list's filters any; the blacklist takes away what the whitelist lets through, and no whitelist is all flows.
import type { FlowFilter } from "../gen/flow/flow_pb.ts";
import type { FlowMatcher } from "../model.ts";
import { onAddress } from "./addresses.ts";
import { onCel } from "./cel/condition.ts";
import { allOf, anyOf, type Condition } from "./condition.ts";
import { FilterError } from "./error.ts";
import {
  onDirection,
  onDropReason,
  onEncrypted,
  onEventType,
  onInterface,
  onIpTraceId,
  onIpVersion,
  onReply,
  onTraceId,
  onUuid,
  onVerdict,
} from "./events.ts";
import {
  onDnsQuery,
  onHttpHeader,
  onHttpMethod,
  onHttpPath,
  onHttpStatus,
  onHttpUrl,
  requireL7,
} from "./http.ts";
import { onLabels, onNodeLabels } from "./labels.ts";
import { onClusterName, onIdentity, onPod, onService, onWorkload } from "./names.ts";
import { onFqdn, onNodeName } from "./patterns.ts";
import { onPort, onProtocol, onTcpFlags } from "./transport.ts";

export type FilterLists = {
  readonly whitelist?: readonly FlowFilter[];
  readonly blacklist?: readonly FlowFilter[];
};

/** More than any client has: what a request may make the server compile and ask for each flow. */
const mostFilters = 1_000;
const mostValues = 10_000;
/** Regular expressions and CEL: up to some milliseconds each to compile. */
const mostExpressions = 100;

/** Matches every flow. */
export const matchAll: FlowMatcher = Object.freeze({ matches: () => true, mayMatch: () => true });

/**
 * Compiles the filters of a request. @throws FilterError for the first field that is wrong, naming the field, the value and
 * the reason; also for a field that this version does not know, whose absence would let through what was not wanted
 */
export function compileFilters({ whitelist = [], blacklist = [] }: FilterLists): FlowMatcher {
  const share = celShare([...whitelist, ...blacklist]);
  if (whitelist.length === 0 && blacklist.length === 0) return matchAll;
  const wanted = compileList("whitelist", whitelist, share);
  const unwanted = compileList("blacklist", blacklist, share);
  if (blacklist.length === 0) return { matches: wanted.matches, mayMatch: wanted.mayMatch };
  const mayMatch: FlowMatcher["mayMatch"] = (block) => !unwanted.matchesAll(block);
  if (whitelist.length === 0) return { matches: (flow) => !unwanted.matches(flow), mayMatch };
  return {
    matches: (flow) => wanted.matches(flow) && !unwanted.matches(flow),
    mayMatch: (block) => wanted.mayMatch(block) && mayMatch(block),
  };
}

function compileList(list: string, filters: readonly FlowFilter[], share: number): Condition {
  return anyOf(
    filters.map((filter, index) => {
      try {
        return compileFilter(filter, share);
      } catch (error) {
        throw error instanceof FilterError ? error.in(`${list}[${index}]`) : error;
      }
    }),
  );
}

/**
 * The part of a flow's budget for CEL that each expression of a request gets: a hundred dear ones would stall the thread
 * for as long as it takes to read a hundred thousand flows. @throws FilterError for more than is taken
 */
function celShare(filters: readonly FlowFilter[]): number {
  let values = 0;
  let expressions = 0;
  let cels = 0;
  for (const filter of filters) {
    for (const value of Object.values(filter)) if (Array.isArray(value)) values += value.length;
    const cel = filter.experimental?.celExpression ?? [];
    for (const list of [filter.dnsQuery, filter.httpPath, filter.httpUrl, cel])
      expressions += list.length;
    cels += cel.length;
  }
  if (filters.length > mostFilters || values > mostValues || expressions > mostExpressions) {
    const value = `${filters.length} filters with ${values} values and ${expressions} expressions`;
    const reason = `at most ${mostFilters} filters with ${mostValues} values and ${mostExpressions} expressions are taken`;
    throw new FilterError({ field: "(all)", value, reason });
  }
  return 1 / Math.max(1, cels);
}

/**
 * Compiles one filter. A filter without fields matches everything. @param share see `celShare` @throws FilterError
 */
export function compileFilter(filter: FlowFilter, share = 1): Condition {
  for (const { no } of filter.$unknown ?? [])
    throw new FilterError({ field: `(number ${no})`, value: "", reason: "not a known field" });
  return allOf(Object.values(fields).flatMap((compile) => compile(filter, share) ?? []));
}

/** A field that is not empty becomes a condition. */
const field =
  <Value>(
    valuesOf: (filter: FlowFilter) => readonly Value[],
    compile: (values: readonly Value[], filter: FlowFilter) => Condition,
  ) =>
  (filter: FlowFilter): Condition | undefined => {
    const values = valuesOf(filter);
    return values.length === 0 ? undefined : compile(values, filter);
  };

/** The same for a field of HTTP, which event_type must not contradict. */
const httpField = <Value>(
  name: string,
  valuesOf: (filter: FlowFilter) => readonly Value[],
  compile: (values: readonly Value[]) => Condition,
) =>
  field(valuesOf, (values, { eventType }) => {
    requireL7(name, eventType);
    return compile(values);
  });

/** Every field of flow.FlowFilter, by its name there (a test compares). */
export const fields: Readonly<
  Record<string, (filter: FlowFilter, celShare: number) => Condition | undefined>
> = {
  source_ip: field(
    ({ sourceIp }) => sourceIp,
    (values) => onAddress("source_ip", values, ({ source }) => source),
  ),
  source_ip_xlated: field(
    ({ sourceIpXlated }) => sourceIpXlated,
    (values) => onAddress("source_ip_xlated", values, ({ sourceXlated }) => sourceXlated),
  ),
  destination_ip: field(
    ({ destinationIp }) => destinationIp,
    (values) => onAddress("destination_ip", values, ({ destination }) => destination),
  ),
  source_pod: field(
    ({ sourcePod }) => sourcePod,
    (values) => onPod("source_pod", values, "source"),
  ),
  destination_pod: field(
    ({ destinationPod }) => destinationPod,
    (values) => onPod("destination_pod", values, "destination"),
  ),
  source_fqdn: field(
    ({ sourceFqdn }) => sourceFqdn,
    (values) => onFqdn("source_fqdn", values, "source"),
  ),
  destination_fqdn: field(
    ({ destinationFqdn }) => destinationFqdn,
    (values) => onFqdn("destination_fqdn", values, "destination"),
  ),
  source_label: field(
    ({ sourceLabel }) => sourceLabel,
    (values) => onLabels("source_label", values, "source"),
  ),
  destination_label: field(
    ({ destinationLabel }) => destinationLabel,
    (values) => onLabels("destination_label", values, "destination"),
  ),
  source_service: field(
    ({ sourceService }) => sourceService,
    (values) => onService("source_service", values, "source"),
  ),
  destination_service: field(
    ({ destinationService }) => destinationService,
    (values) => onService("destination_service", values, "destination"),
  ),
  source_workload: field(
    ({ sourceWorkload }) => sourceWorkload,
    (values) => onWorkload(values, "source"),
  ),
  destination_workload: field(
    ({ destinationWorkload }) => destinationWorkload,
    (values) => onWorkload(values, "destination"),
  ),
  source_cluster_name: field(
    ({ sourceClusterName }) => sourceClusterName,
    (values) => onClusterName("source_cluster_name", values, "source"),
  ),
  destination_cluster_name: field(
    ({ destinationClusterName }) => destinationClusterName,
    (values) => onClusterName("destination_cluster_name", values, "destination"),
  ),
  source_identity: field(
    ({ sourceIdentity }) => sourceIdentity,
    (values) => onIdentity(values, "source"),
  ),
  destination_identity: field(
    ({ destinationIdentity }) => destinationIdentity,
    (values) => onIdentity(values, "destination"),
  ),
  verdict: field(({ verdict }) => verdict, onVerdict),
  drop_reason_desc: field(({ dropReasonDesc }) => dropReasonDesc, onDropReason),
  event_type: field(({ eventType }) => eventType, onEventType),
  traffic_direction: field(({ trafficDirection }) => trafficDirection, onDirection),
  reply: field(({ reply }) => reply, onReply),
  encrypted: field(({ encrypted }) => encrypted, onEncrypted),
  ip_version: field(({ ipVersion }) => ipVersion, onIpVersion),
  uuid: field(({ uuid }) => uuid, onUuid),
  interface: field((filter) => filter.interface, onInterface),
  trace_id: field(({ traceId }) => traceId, onTraceId),
  ip_trace_id: field(({ ipTraceId }) => ipTraceId, onIpTraceId),
  protocol: field(
    ({ protocol }) => protocol,
    (values) => onProtocol("protocol", values),
  ),
  source_port: field(
    ({ sourcePort }) => sourcePort,
    (values) => onPort("source_port", values, "source"),
  ),
  destination_port: field(
    ({ destinationPort }) => destinationPort,
    (values) => onPort("destination_port", values, "destination"),
  ),
  tcp_flags: field(({ tcpFlags }) => tcpFlags, onTcpFlags),
  node_name: field(
    ({ nodeName }) => nodeName,
    (values) => onNodeName("node_name", values),
  ),
  node_labels: field(
    ({ nodeLabels }) => nodeLabels,
    (values) => onNodeLabels("node_labels", values),
  ),
  dns_query: field(
    ({ dnsQuery }) => dnsQuery,
    (values) => onDnsQuery("dns_query", values),
  ),
  http_status_code: httpField(
    "http_status_code",
    ({ httpStatusCode }) => httpStatusCode,
    (values) => onHttpStatus("http_status_code", values),
  ),
  http_method: httpField("http_method", ({ httpMethod }) => httpMethod, onHttpMethod),
  http_path: httpField(
    "http_path",
    ({ httpPath }) => httpPath,
    (values) => onHttpPath("http_path", values),
  ),
  http_url: httpField(
    "http_url",
    ({ httpUrl }) => httpUrl,
    (values) => onHttpUrl("http_url", values),
  ),
  http_header: httpField("http_header", ({ httpHeader }) => httpHeader, onHttpHeader),
  experimental: ({ experimental }, share) => {
    const expressions = experimental?.celExpression ?? [];
    if (expressions.length === 0) return undefined;
    return onCel("experimental.cel_expression", expressions, share);
  },
};
