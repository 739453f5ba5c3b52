// The parts of a `toPorts` entry that ask for a proxy. There is none yet: such an entry allows nothing, so that here
// only their form is judged.
import type { L7Rules } from "../model.ts";
import type { Field } from "./field.ts";
import { parseFqdn } from "./fqdn.ts";
import type { PortItem } from "./port.ts";

/** Fields of a `toPorts` entry besides its ports. */
export const l7Fields = ["rules", "serverNames", "terminatingTLS", "originatingTLS", "listener"];

export type L7Context = {
  readonly direction: "ingress" | "egress";
  /** Of a host policy. */
  readonly isHost: boolean;
  readonly ports: readonly PortItem[];
};

/** What the entry must go through; undefined for one that is decided at L4. */
export function parseL7(entry: Field, context: L7Context): L7Rules | undefined {
  const rules = parseRules(entry.narrowing("rules"), context);
  const listener = parseListener(entry.narrowing("listener"), context);
  const names = parseServerNames(entry.narrowing("serverNames"));
  const terminating = parseTls(entry.narrowing("terminatingTLS"));
  const originating = parseTls(entry.narrowing("originatingTLS"));
  if (rules && listener) entry.at("listener").problem("a listener takes no L7 rules");
  if (rules && names && !terminating)
    entry.at("serverNames").problem("server names with L7 rules need terminatingTLS");
  if (rules) return rules;
  if (listener) return { protocol: "listener" };
  if (names) return { protocol: "sni" };
  return terminating || originating ? { protocol: "tls" } : undefined;
}

/** An empty list of requests is not the same as none: it lets no request through. */
function parseRules(rules: Field, context: L7Context): L7Rules | undefined {
  if (!rules.isGiven || !rules.isObject()) return undefined;
  rules.only(["http", "kafka", "dns", "l7proto", "l7"]);
  const found: L7Rules["protocol"][] = [];
  if (parseList(rules, "http", parseHttp)) found.push("http");
  if (parseList(rules, "kafka", (item) => void item.isObject())) found.push("kafka");
  if (parseList(rules, "dns", (item) => void parseFqdn(item))) found.push("dns");
  const generic = parseList(rules, "l7", (item) => void item.isObject());
  if (rules.at("l7proto").isGiven || generic) {
    rules.at("l7proto").name();
    found.push("l7");
  }
  const [protocol] = found;
  if (protocol === undefined) return undefined;
  if (found.length > 1)
    rules.problem(`${found.join(" and ")} in one entry: write an entry for each`);
  judgePlace(rules, protocol, context);
  return { protocol };
}

function parseList(rules: Field, key: string, parse: (item: Field) => void): boolean {
  const items = rules.narrowing(key).items();
  items?.forEach(parse);
  return items !== undefined;
}

/** Where rules of a protocol may stand. */
function judgePlace(rules: Field, protocol: L7Rules["protocol"], context: L7Context): void {
  const { direction, isHost, ports } = context;
  const isDns = protocol === "dns";
  if (isDns && direction === "ingress") rules.at("dns").problem("DNS rules are for egress only");
  if (isHost && !(isDns && direction === "egress"))
    rules.problem("host policies take no L7 rules but DNS rules on egress");
  if (isDns && ports.length === 0) rules.at("dns").problem("DNS rules need their port, 53");
  if (ports.some(({ isEvery }) => isEvery)) rules.problem("L7 rules need a port other than 0");
  if (isDns && ports.some(({ isRange }) => isRange))
    rules.at("dns").problem("DNS rules take no ranges of ports");
  if (!isDns && ports.some((port) => port.protocol !== "TCP"))
    rules.problem("L7 rules but DNS rules are for protocol TCP only");
}

function parseHttp(item: Field): void {
  if (!item.isObject()) return;
  item.only(["path", "method", "host", "headers", "headerMatches"]);
  for (const key of ["path", "method", "host"]) item.at(key).text();
  for (const header of item.narrowing("headers").items() ?? []) header.name();
  for (const match of item.narrowing("headerMatches").items() ?? [])
    if (match.isObject()) match.at("name").name();
}

function parseListener(listener: Field, { direction }: L7Context): boolean {
  if (!listener.isGiven || !listener.isObject()) return false;
  listener.at("name").name();
  if (listener.at("envoyConfig").isObject()) listener.at("envoyConfig").at("name").name();
  listener.at("priority").integer(0, 100);
  if (direction === "ingress") listener.problem("listeners are for egress only");
  return true;
}

function parseServerNames(field: Field): boolean {
  const items = field.items();
  items?.forEach((item) => item.name());
  return items !== undefined;
}

function parseTls(field: Field): boolean {
  if (!field.isGiven || !field.isObject()) return false;
  if (field.at("secret").isObject()) field.at("secret").at("name").name();
  return true;
}
