// Takes out of flows what may be secret, before anything is stored, sent or counted. What it becomes is
// "HUBBLE_REDACTED", as in Cilium.
import type { Flow, HttpHeader, Layer7 } from "../model.ts";

/** In place of what was there. */
export const redacted = "HUBBLE_REDACTED";

/** The keys hubble-redact-*. */
export type RedactOptions = {
  /** hubble-redact-enabled: for headers, query and api key. Passwords in URLs are redacted without it. */
  readonly enabled: boolean;
  /** hubble-redact-http-urlquery: URLs end before "?" and "#". */
  readonly urlQuery: boolean;
  /** hubble-redact-http-userinfo: passwords, and user names without one, which often are tokens. */
  readonly userInfo: boolean;
  /** hubble-redact-http-headers-allow: of all others the values are redacted. */
  readonly headersAllow: readonly string[];
  /** hubble-redact-http-headers-deny: of these the values are redacted. With neither list, of all. */
  readonly headersDeny: readonly string[];
  /** hubble-redact-kafka-apikey. */
  readonly kafkaApiKey: boolean;
};

/** Answers the flow itself where there is nothing to redact. */
export type Redact = (flow: Flow) => Flow;

/** @throws Error when both lists of headers are given */
export function makeRedact(options: RedactOptions): Redact {
  const { enabled, urlQuery, userInfo, kafkaApiKey } = options;
  if (options.headersAllow.length > 0 && options.headersDeny.length > 0)
    throw new Error(
      "hubble-redact-http-headers-allow and hubble-redact-http-headers-deny exclude each other",
    );
  const redactUrl = (url: string) =>
    withoutQuery(userInfo ? withoutUserInfo(url) : url, enabled && urlQuery);
  const redactHeaders = enabled ? headersBy(options) : (headers: readonly HttpHeader[]) => headers;
  const redactL7 = (l7: Layer7): Layer7 => {
    if (l7.kind === "http")
      return { ...l7, url: redactUrl(l7.url), headers: redactHeaders(l7.headers) };
    return l7.kind === "kafka" && enabled && kafkaApiKey ? { ...l7, apiKey: redacted } : l7;
  };
  return (flow) => {
    const { l7 } = flow;
    if (!l7 || l7.kind === "dns") return flow;
    const clean = redactL7(l7);
    return { ...flow, l7: clean, summary: cleanSummary(flow.summary, l7, clean) };
  };
}

/** The text for people repeats the URL, or the api key. */
function cleanSummary(summary: string, from: Layer7, to: Layer7): string {
  if (from.kind === "http" && to.kind === "http" && from.url !== "")
    return summary.replaceAll(from.url, () => to.url);
  if (from.kind === "kafka" && to.kind === "kafka" && from.apiKey !== to.apiKey)
    return from.apiKey === "" ? summary : summary.replace(from.apiKey, () => to.apiKey);
  return summary;
}

/**
 * By hand, not by URL: what was on the wire is kept as it was, and need not be a URL. The authority ends where a
 * server may think that it does: RFC 3986's "/", "?", "#", and not at a backslash, so that nothing before an "@" is
 * left.
 */
function withoutUserInfo(url: string): string {
  return url.replace(
    /^((?:[a-z][a-z0-9+.-]*:)?\/\/)([^/?#]*)@/i,
    (_, scheme: string, userInfo: string) => {
      const colon = userInfo.indexOf(":");
      return `${scheme}${colon < 0 ? "" : `${userInfo.slice(0, colon)}:`}${redacted}@`;
    },
  );
}

function withoutQuery(url: string, wanted: boolean): string {
  return wanted ? url.replace(/[?#].*$/s, "") : url;
}

function headersBy({
  headersAllow,
  headersDeny,
}: RedactOptions): (headers: readonly HttpHeader[]) => readonly HttpHeader[] {
  const allowed = new Set(headersAllow.map((name) => name.toLowerCase()));
  const denied = new Set(headersDeny.map((name) => name.toLowerCase()));
  const isSecret = ({ key }: HttpHeader) =>
    denied.size > 0 ? denied.has(key.toLowerCase()) : !allowed.has(key.toLowerCase());
  return (headers) =>
    headers.map((header) => (isSecret(header) ? { key: header.key, value: redacted } : header));
}
