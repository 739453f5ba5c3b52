// What Envoy tells of requests (ALS), as records. Everything in there was said by clients, but for names of routes and
// logs, which are ours.
import type { Duration, Timestamp } from "@bufbuild/protobuf/wkt";
import { compileDnsPattern } from "@tsilium/net";
import type { Direction, SniRuleSet } from "@tsilium/policy/model.ts";
import type { Address } from "./gen/envoy/config/core/v3/address_pb.ts";
import { RequestMethod } from "./gen/envoy/config/core/v3/base_pb.ts";
import {
  type AccessLogCommon,
  type HTTPAccessLogEntry,
  HTTPAccessLogEntry_HTTPVersion as HttpVersion,
  type TCPAccessLogEntry,
} from "./gen/envoy/data/accesslog/v3/accesslog_pb.ts";
import type { ProxyRecord } from "../model.ts";
import { readRouteName } from "./resources/names.ts";

const tcp = 6;
/** Of an URL; Envoy takes requests of 60 KiB. */
const longestUrl = 4096;

const versions: Readonly<Record<HttpVersion, string>> = {
  [HttpVersion.PROTOCOL_UNSPECIFIED]: "",
  [HttpVersion.HTTP10]: "HTTP/1.0",
  [HttpVersion.HTTP11]: "HTTP/1.1",
  [HttpVersion.HTTP2]: "HTTP/2",
  [HttpVersion.HTTP3]: "HTTP/3",
};

/** Methods that Envoy knows by number; it does not tell others. */
const methodNames = new Map<number, string>(
  Object.entries(RequestMethod)
    .filter(([, number]) => number !== RequestMethod.METHOD_UNSPECIFIED)
    .map(([name, number]) => [number, name]),
);

/** One record of a request and one of its answer, if there was any. None without addresses. */
export function httpRecords(
  entry: HTTPAccessLogEntry,
  about: { readonly port: number; readonly direction: Direction },
): ProxyRecord[] {
  const common = entry.commonProperties;
  const client = addressOf(common?.downstreamRemoteAddress);
  const server = addressOf(common?.downstreamLocalAddress);
  if (common === undefined || client === undefined || server === undefined) return [];
  const { verdict, rule } = decisionOf(common);
  const startNs = timeNs(common.startTime);
  const request = { ...about, protocol: tcp, client, server, rule };
  const what = {
    kind: "http",
    method: methodNames.get(entry.request?.requestMethod ?? 0) ?? "",
    url: urlOf(entry),
    protocol: versions[entry.protocolVersion] ?? "",
    headers: [],
  } as const;
  const asked: ProxyRecord = {
    ...request,
    timeNs: String(startNs),
    verdict,
    l7: { ...what, type: 1, latencyNs: 0, code: 0 },
  };
  const latencyNs = durationNs(common.timeToFirstDownstreamTxByte ?? common.duration);
  const code = entry.response?.responseCode ?? 0;
  const isDenied = verdict === "denied";
  if (isDenied && code !== 403 && code !== 400) return [asked];
  const answered: ProxyRecord = {
    ...request,
    timeNs: String(startNs + BigInt(latencyNs)),
    verdict: failed(common) ? "error" : verdict,
    l7: { ...what, type: 2, latencyNs, code },
  };
  // Envoy's own answer is no rule's doing, and says nothing of a server's time.
  const own: ProxyRecord = {
    ...answered,
    rule: 0,
    verdict: "forwarded",
    l7: { ...what, type: 2, latencyNs: 0, code },
  };
  return [asked, isDenied ? own : answered];
}

/**
 * The record of a connection whose TLS is passed on, told when it ends. Envoy does not say by which of the rules it passed:
 * the first that has its name is it.
 */
export function sniRecord(
  { commonProperties: common }: TCPAccessLogEntry,
  about: { readonly port: number; readonly ruleSet: SniRuleSet },
): ProxyRecord | undefined {
  const client = addressOf(common?.downstreamRemoteAddress);
  const server = addressOf(common?.downstreamLocalAddress);
  if (common === undefined || client === undefined || server === undefined) return undefined;
  const { port, ruleSet } = about;
  const name = (common.tlsProperties?.tlsSniHostname ?? "").slice(0, longestName);
  const allowed = name === "" ? undefined : ruleSet.rules.find(({ match }) => named(match, name));
  const passed = common.upstreamCluster !== "" && (allowed !== undefined || ruleSet.audit);
  const verdict = allowed === undefined ? "audit" : "forwarded";
  return {
    port,
    direction: ruleSet.direction,
    protocol: tcp,
    client,
    server,
    timeNs: String(timeNs(common.startTime)),
    rule: allowed?.rule ?? ruleSet.denyRule,
    verdict: passed ? (failed(common) ? "error" : verdict) : "denied",
    // TLS has no kind of its own in flows.
    l7: {
      kind: "http",
      type: 1,
      latencyNs: 0,
      code: 0,
      method: "",
      headers: [],
      url: name === "" ? "" : `https://${name}`,
      protocol: "TLS",
    },
  };
}

const longestName = 255;

function named({ serverName }: { readonly serverName: string }, name: string): boolean {
  return compileDnsPattern({ matchPattern: serverName })(name);
}

function decisionOf(common: AccessLogCommon): Pick<ProxyRecord, "verdict" | "rule"> {
  const route = readRouteName(common.routeName);
  switch (route?.kind) {
    case "rule":
      return { verdict: "forwarded", rule: route.rule };
    case "audit":
      return { verdict: "audit", rule: route.rule };
    case "deny":
      return { verdict: "denied", rule: route.rule };
    case "malformed":
    case undefined:
      // Without a route Envoy itself refused it: no request that it can read, or CONNECT.
      return { verdict: "denied", rule: 0 };
  }
}

/** The server did not answer, or not so that it could be understood. */
function failed({ responseFlags: flags }: AccessLogCommon): boolean {
  return (
    flags !== undefined &&
    (flags.noHealthyUpstream ||
      flags.upstreamRequestTimeout ||
      flags.upstreamConnectionFailure ||
      flags.upstreamRemoteReset ||
      flags.upstreamProtocolError)
  );
}

function urlOf({ request }: HTTPAccessLogEntry): string {
  if (request === undefined) return "";
  const { scheme, authority, path } = request;
  const origin = authority === "" ? "" : `${scheme === "" ? "http" : scheme}://${authority}`;
  return `${origin}${path}`.slice(0, longestUrl);
}

function addressOf(address: Address | undefined): ProxyRecord["client"] | undefined {
  if (address?.address.case !== "socketAddress") return undefined;
  const { address: text, portSpecifier } = address.address.value;
  return { address: text, port: portSpecifier.case === "portValue" ? portSpecifier.value : 0 };
}

function timeNs(time: Timestamp | undefined): bigint {
  return time === undefined ? 0n : time.seconds * 1_000_000_000n + BigInt(time.nanos);
}

function durationNs(duration: Duration | undefined): number {
  if (duration === undefined) return 0;
  return Math.max(0, Number(duration.seconds) * 1e9 + duration.nanos);
}
