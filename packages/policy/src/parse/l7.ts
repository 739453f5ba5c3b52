// The parts of a `toPorts` entry that are decided by looking at what is said. Whatever is there is understood, or the
// policy is refused; what no proxy of ours enforces allows nothing.
import type { L7Rules, TlsRules } from "../model.ts";
import type { Field } from "./field.ts";
import { parseFqdn } from "./fqdn.ts";
import { anyRequest, parseHttpRule } from "./http-rule.ts";
import { parseKafkaRule } from "./kafka-rule.ts";
import type { PortItem } from "./port.ts";
import { parseServerNames } from "./server-names.ts";
import { parseTls } from "./tls.ts";

/** Fields of a `toPorts` entry besides its ports. */
export const l7Fields = ["rules", "serverNames", "terminatingTLS", "originatingTLS", "listener"];

export type L7Context = {
  readonly direction: "ingress" | "egress";
  /** Of a host policy. */
  readonly isHost: boolean;
  readonly ports: readonly PortItem[];
  /** Of the policy, for names of secrets; undefined: cluster-wide. */
  readonly namespace: string | undefined;
};

/** What the entry must go through; undefined for one that is decided at L4. */
export function parseL7(entry: Field, context: L7Context): L7Rules | undefined {
  const rules = parseRules(entry.narrowing("rules"), context);
  const listener = parseListener(entry.narrowing("listener"), context);
  const serverNames = parseServerNames(entry.narrowing("serverNames"));
  const tls: TlsRules = {
    terminating: parseTls(entry.narrowing("terminatingTLS"), context.namespace),
    originating: parseTls(entry.narrowing("originatingTLS"), context.namespace),
  };
  const found = combine(entry, { rules, listener, serverNames, tls });
  if (found) judgePlace(entry, found, context);
  return found;
}

type Parts = {
  readonly rules: L7Rules | undefined;
  readonly listener: L7Rules | undefined;
  readonly serverNames: readonly string[] | undefined;
  readonly tls: TlsRules;
};

/** TLS without rules is HTTP of which every request gets through: it must be read to be passed on. */
function combine(entry: Field, { rules, listener, serverNames, tls }: Parts): L7Rules | undefined {
  const hasTls = tls.terminating !== undefined || tls.originating !== undefined;
  if (rules && listener) entry.at("listener").problem("a listener takes no L7 rules");
  if (serverNames && (rules || hasTls) && !tls.terminating)
    entry.at("serverNames").problem("server names with L7 rules need terminatingTLS");
  if (hasTls && rules && rules.protocol !== "http")
    entry.problem(`TLS is taken off for HTTP alone, and these rules are of ${rules.protocol}`);
  if (rules?.protocol === "http") return { ...rules, tls, serverNames };
  if (rules) return rules;
  if (listener) return listener;
  if (hasTls) return { protocol: "http", rules: [anyRequest], tls, serverNames };
  return serverNames && { protocol: "sni", serverNames };
}

/** An empty list of requests is not the same as none: it lets no request through. */
function parseRules(rules: Field, context: L7Context): L7Rules | undefined {
  if (!rules.isGiven || !rules.isObject()) return undefined;
  rules.only(["http", "kafka", "dns", "l7proto", "l7"]);
  const found = [
    parseHttp(rules, context),
    parseKafka(rules),
    parseDns(rules),
    parseGeneric(rules),
  ].filter((each) => each !== undefined);
  if (found.length > 1) {
    const names = found.map(({ protocol }) => protocol);
    rules.problem(`${names.join(" and ")} in one entry: write an entry for each`);
  }
  return found[0];
}

function parseHttp(rules: Field, context: L7Context): L7Rules | undefined {
  const found = parseList(rules, "http", (item) => parseHttpRule(item, context));
  const tls = { terminating: undefined, originating: undefined };
  return found && { protocol: "http", rules: found, tls, serverNames: undefined };
}

function parseKafka(rules: Field): L7Rules | undefined {
  const found = parseList(rules, "kafka", parseKafkaRule);
  return found && { protocol: "kafka", rules: found };
}

function parseDns(rules: Field): L7Rules | undefined {
  const found = parseList(rules, "dns", parseFqdn);
  return found && { protocol: "dns", rules: found };
}

function parseList<Rule>(
  rules: Field,
  key: string,
  parse: (item: Field) => Rule | undefined,
): readonly Rule[] | undefined {
  return rules
    .narrowing(key)
    .items()
    ?.flatMap((item) => parse(item) ?? []);
}

function parseGeneric(rules: Field): L7Rules | undefined {
  const list = parseList(rules, "l7", (item) => item.isObject());
  const proto = rules.narrowing("l7proto");
  if (!list && !proto.isGiven) return undefined;
  const name = proto.name();
  rules.warn(`no proxy here understands ${name ?? "it"}: the rule allows nothing`);
  return { protocol: "l7" };
}

/** Where rules of a protocol may stand. */
function judgePlace(entry: Field, { protocol }: L7Rules, context: L7Context): void {
  const { direction, isHost, ports } = context;
  const isDns = protocol === "dns";
  const rules = entry.at("rules");
  const where = rules.isGiven ? rules : entry;
  if (isDns && direction === "ingress") rules.at("dns").problem("DNS rules are for egress only");
  if (isHost && !(isDns && direction === "egress"))
    where.problem("host policies take no L7 rules other than DNS rules on egress");
  if (isDns && ports.length === 0) rules.at("dns").problem("DNS rules need their port, 53");
  if (ports.some(({ isEvery }) => isEvery)) where.problem("L7 rules need a port other than 0");
  if (isDns && ports.some(({ isRange }) => isRange))
    rules.at("dns").problem("DNS rules take no ranges of ports");
  if (!isDns && ports.some((port) => port.protocol !== "TCP"))
    where.problem("L7 rules other than DNS rules are for TCP only");
}

function parseListener(listener: Field, { direction }: L7Context): L7Rules | undefined {
  if (!listener.isGiven || !listener.isObject()) return undefined;
  listener.only(["envoyConfig", "name", "priority"]);
  listener.at("name").name();
  if (listener.at("envoyConfig").isObject()) listener.at("envoyConfig").at("name").name();
  listener.at("priority").integer(0, 100);
  if (direction === "ingress") listener.problem("listeners are for egress only");
  listener.warn("listeners of CiliumEnvoyConfig are not there: the rule allows nothing");
  return { protocol: "listener" };
}
