// Requests and answers in a line for people, as Cilium writes them.
import type { Layer7 } from "../model.ts";

const request = 1;
const response = 2;

/** What resolvers say besides an answer. RFC 1035 4.1.1, RFC 2136 2.2; in gopacket's words. */
const responseCodes: Readonly<Record<number, string>> = {
  1: "Format Error",
  2: "Server Failure",
  3: "Non-Existent Domain",
  4: "Not Implemented",
  5: "Query Refused",
  6: "Name Exists when it should not",
  7: "RR Set Exists when it should not",
  8: "RR Set that should exist does not",
  9: "Server Not Authoritative for zone",
  10: "Name not contained in zone",
};

type Of<Kind extends Layer7["kind"]> = Layer7 & { kind: Kind };

export function l7Summary(l7: Layer7): string {
  switch (l7.kind) {
    case "http":
      return httpSummary(l7);
    case "dns":
      return dnsSummary(l7);
    case "kafka":
      return kafkaSummary(l7);
  }
}

function httpSummary({ type, protocol, method, url, code, latencyNs }: Of<"http">): string {
  if (type === request)
    return [protocol, method, url].filter(Boolean).join(" ") || "no request that could be read";
  if (type !== response) return "";
  return `${protocol} ${code} ${Math.floor(latencyNs / 1e6)}ms (${method} ${url})`;
}

function dnsSummary(dns: Of<"dns">): string {
  const asked = `${dns.query} ${dns.qtypes.join(",")}`;
  if (dns.type === request) return `DNS Query ${asked}`;
  if (dns.type !== response) return "";
  const source = dns.observationSource === "proxy" ? "Proxy" : "Query";
  return `DNS Answer ${answerOf(dns)} TTL: ${dns.ttl} (${source} ${asked})`;
}

function answerOf({ rcode, ips, cnames }: Of<"dns">): string {
  if (rcode !== 0) return `RCode: ${responseCodes[rcode] ?? "Unknown"}`;
  return [
    ...(ips.length > 0 ? [JSON.stringify(ips.join(","))] : []),
    ...(cnames.length > 0 ? [`CNAMEs: ${JSON.stringify(cnames.join(","))}`] : []),
  ].join(" ");
}

function kafkaSummary({ type, apiKey, correlationId, topic, errorCode }: Of<"kafka">): string {
  const what = `${apiKey} correlation id ${correlationId} topic '${topic}'`;
  return type === request
    ? `Kafka request ${what}`
    : `Kafka response ${what} return code ${errorCode}`;
}
