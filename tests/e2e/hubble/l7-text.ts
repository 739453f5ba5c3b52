// What a flow of L7 says was asked or answered, in words; addresses by their names.
//
//   HTTP/1.1 200 GET http://far/open      DNS AAAA a.world.test: world, TTL 30      Kafka produce orders: error 29
import type { Names } from "./names.ts";
import type { SeenL7 } from "./seen.ts";

export function l7Text(l7: SeenL7, names: Names): string {
  return `${textOf(l7, names)}${latencyText(l7)}`;
}

function textOf({ type, http, dns, kafka }: SeenL7, names: Names): string {
  const isReply = type === "RESPONSE";
  if (http) {
    const { protocol, code, method, url = "", headers = [] } = http;
    const words = [protocol, ...(isReply ? [code] : []), method, withNames(url, names)];
    const told = headers.map(({ key, value }) => (value ? `${key}=${value}` : key)).join(" ");
    // Of a TLS handshake there is no method.
    return [...words.filter(Boolean), ...(told === "" ? [] : [`(${told})`])].join(" ");
  }
  if (dns) {
    const { query, qtypes = [], ips = [], cnames = [], rcode = 0, ttl, observation_source } = dns;
    const seenBy = observation_source === "proxy" ? "" : ` (seen by ${observation_source})`;
    const question = `DNS ${qtypes.join(" ")} ${query.replace(/\.$/, "")}${seenBy}`;
    if (!isReply) return question;
    const aliases = cnames.map((name) => `alias ${name.replace(/\.$/, "")}`);
    const answers = [...aliases, ...ips.map((ip) => names.addresses.get(ip) ?? ip)];
    const facts = [
      ...(rcode === 0 ? [] : [`rcode ${rcode}`]),
      ...answers,
      ...(ttl === undefined ? [] : [`TTL ${ttl}`]),
    ];
    return `${question}: ${facts.join(", ") || "nothing"}`;
  }
  if (kafka) {
    const { api_key: api, topic = "", error_code: error = 0 } = kafka;
    return `Kafka ${[api, topic].filter(Boolean).join(" ")}${error === 0 ? "" : `: error ${error}`}`;
  }
  return "no protocol";
}

/** Answers of servers tell how long they took, and nothing else does. */
function latencyText({ type, latency_ns: latency = "0", http }: SeenL7): string {
  const seconds = Number(latency) / 1e9;
  const isOwn = seconds === 0 && (http?.code === 403 || http?.code === 400);
  if (isOwn) return "";
  if (type !== "RESPONSE") return seconds === 0 ? "" : ` (WRONG: a request took ${seconds} s)`;
  return seconds > 0 && seconds < 10 ? "" : ` (WRONG: it took ${seconds} s)`;
}

function withNames(url: string, { addresses }: Names): string {
  return url.replace(
    /^(https?:\/\/)(\[[^\]]+\]|[\d.]+)/,
    (_whole, scheme: string, host: string) => {
      const address = host.replace(/^\[|\]$/g, "");
      return `${scheme}${addresses.get(address) ?? host}`;
    },
  );
}
