// Filters as text: the words of `hubble observe`, as the URL and the filter bar have them.

/** `not`: flows that match it are left out. */
export type Filter = { readonly word: string; readonly value: string; readonly not: boolean };

export type FilterWord = {
  readonly name: string;
  /** What its value is, for people. */
  readonly help: string;
  readonly example: string;
  /** All that it can be, where that is a short list. */
  readonly values?: readonly string[];
  /** It also exists as from-NAME and to-NAME. */
  readonly hasEnds?: true;
};

const verdicts = [
  "DROPPED",
  "FORWARDED",
  "AUDIT",
  "REDIRECTED",
  "ERROR",
  "TRACED",
  "TRANSLATED",
] as const;

const protocols = ["tcp", "udp", "icmp", "icmpv6", "sctp", "http", "dns", "kafka"] as const;

export const eventTypes = [
  "drop",
  "policy-verdict",
  "trace",
  "trace-sock",
  "l7",
  "capture",
  "debug",
] as const;

const base: readonly FilterWord[] = [
  {
    name: "namespace",
    help: "namespace of either end",
    example: "shop",
    hasEnds: true,
  },
  { name: "pod", help: "pod, by the start of its name", example: "shop/frontend", hasEnds: true },
  {
    name: "workload",
    help: "workload, as name or kind/name",
    example: "Deployment/frontend",
    hasEnds: true,
  },
  { name: "service", help: "service", example: "shop/backend", hasEnds: true },
  { name: "label", help: "label selector", example: "app=web", hasEnds: true },
  { name: "ip", help: "address or prefix", example: "10.0.0.0/8", hasEnds: true },
  {
    name: "fqdn",
    help: "DNS name, * stands for any text",
    example: "*.example.com",
    hasEnds: true,
  },
  { name: "identity", help: "identity, by number or name", example: "world", hasEnds: true },
  { name: "port", help: "port", example: "443", hasEnds: true },
  { name: "cluster", help: "cluster", example: "default", hasEnds: true },
  { name: "verdict", help: "what became of it", example: "DROPPED", values: verdicts },
  { name: "drop-reason-desc", help: "why it was dropped", example: "POLICY_DENIED" },
  { name: "protocol", help: "protocol", example: "tcp", values: protocols },
  {
    name: "type",
    help: "kind of event, with its sub-type",
    example: "trace:to-endpoint",
    values: eventTypes,
  },
  {
    name: "traffic-direction",
    help: "direction, as the endpoint sees it",
    example: "egress",
    values: ["ingress", "egress"],
  },
  { name: "reply", help: "replies", example: "false", values: ["true", "false"] },
  { name: "tcp-flags", help: "TCP flags that are set", example: "SYN,ACK" },
  { name: "ip-version", help: "IP version", example: "4", values: ["4", "6"] },
  { name: "node-name", help: "node that saw it, * stands for any text", example: "node-1" },
  { name: "node-label", help: "label selector of the node", example: "zone=a" },
  { name: "interface", help: "interface that it was seen at", example: "eth0" },
  { name: "snat-ip", help: "address that the source was translated to", example: "172.18.0.2" },
  {
    name: "encrypted",
    help: "whether it was encrypted",
    example: "true",
    values: ["true", "false"],
  },
  { name: "http-status", help: "HTTP status", example: "5+" },
  { name: "http-method", help: "HTTP method", example: "GET" },
  { name: "http-path", help: "HTTP path, a regular expression", example: "/api/.*" },
  { name: "http-url", help: "URL, a regular expression", example: "http://.*" },
  { name: "http-header", help: "HTTP header", example: "key:value" },
  { name: "dns-query", help: "DNS question, a regular expression", example: ".*\\.local\\." },
  { name: "trace-id", help: "trace id", example: "4bf92f3577b34da6a3ce929d0e0e4736" },
  { name: "uuid", help: "this one flow", example: "" },
  {
    name: "cel-expression",
    help: "expression over _flow",
    example: "_flow.l4.TCP.destination_port > 1023u",
  },
];

/** Every word, those of one end after the word for either. */
export const filterWords: readonly FilterWord[] = base.flatMap((word) =>
  word.hasEnds ? [word, ofEnd(word, "from"), ofEnd(word, "to")] : [word],
);

const byName = new Map(filterWords.map((word) => [word.name, word]));

export function filterWord(name: string): FilterWord | undefined {
  return byName.get(name);
}

function ofEnd({ name, help, example }: FilterWord, end: "from" | "to"): FilterWord {
  const of = end === "from" ? "of the source" : "of the destination";
  const plain = help.replace(" of either end", "");
  return { name: `${end}-${name}`, help: `${plain} ${of}`, example };
}

/** More than anybody types. */
const mostFilters = 100;

/** Filters of a URL's query: "pod=shop/web&not.port=53". Other parameters are passed over. */
export function filtersOf(query: URLSearchParams): readonly Filter[] {
  const found: Filter[] = [];
  for (const [parameter, value] of query) {
    const not = parameter.startsWith("not.");
    const word = not ? parameter.slice(4) : parameter;
    if (byName.has(word) && value !== "" && found.length < mostFilters)
      found.push({ word, value, not });
  }
  return found;
}

export function parameterOf({ word, not }: Filter): string {
  return not ? `not.${word}` : word;
}

/** The filters as the command line that asks the same. */
export function hubbleCommand(
  filters: readonly Filter[],
  time: { readonly since?: string; readonly until?: string; readonly follow: boolean },
): string {
  const parts = ["hubble observe"];
  for (const { word, value, not } of filters) {
    const isNo = word === "reply" && value === "false";
    if (not !== isNo) parts.push("--not");
    if (word === "reply") parts.push("--reply");
    else if (word === "encrypted") parts.push(value === "true" ? "--encrypted" : "--unencrypted");
    else parts.push(`--${word} ${shellQuoted(value)}`);
  }
  if (time.since) parts.push(`--since ${shellQuoted(time.since)}`);
  if (time.until) parts.push(`--until ${shellQuoted(time.until)}`);
  if (time.follow) parts.push("--follow");
  return parts.join(" ");
}

function shellQuoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

const unitMs: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** Milliseconds of "1h30m", "45s", "2d". undefined: it is no duration. */
export function durationMs(text: string): number | undefined {
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) return undefined;
  let sum = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g))
    sum += Number(amount) * (unitMs[unit as string] as number);
  return sum;
}

/** UNIX milliseconds of an RFC 3339 time, or of a time so long before `nowMs`. undefined: it is neither. */
export function timeMs(text: string, nowMs: number): number | undefined {
  const ago = durationMs(text);
  if (ago !== undefined) return nowMs - ago;
  if (text === "now") return nowMs;
  if (!/^\d{4}-\d\d-\d\d[Tt ]/.test(text)) return undefined;
  const time = Date.parse(text);
  return Number.isNaN(time) ? undefined : time;
}
