// Values of filter flags: from the command line's words to those of flow.FlowFilter.
import { InvalidArgumentError } from "commander";
import { ReservedIdentity } from "@tsilium/identity/model.ts";
import type { FilterValue } from "./raw-filter.ts";

export const verdicts = [
  "FORWARDED",
  "DROPPED",
  "AUDIT",
  "REDIRECTED",
  "ERROR",
  "TRACED",
  "TRANSLATED",
];
export const protocols = ["dns", "http", "icmp", "icmpv4", "icmpv6", "kafka", "sctp", "tcp", "udp"];
const tcpFlags = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR", "NS"];

/** Kinds of events of Cilium's monitor, with the names of their sub-kinds. Those of agent and debug events are no flows. */
export const eventTypes: Readonly<Record<string, EventTypeNames>> = {
  capture: { number: 3, subTypes: {} },
  drop: { number: 1, subTypes: {} },
  l7: { number: 129, subTypes: {} },
  "policy-verdict": { number: 5, subTypes: {} },
  trace: {
    number: 4,
    subTypes: {
      "from-endpoint": 5,
      "from-host": 7,
      "from-network": 10,
      "from-overlay": 9,
      "from-proxy": 6,
      "from-stack": 8,
      "from-crypto": 12,
      "to-endpoint": 0,
      "to-host": 2,
      "to-network": 11,
      "to-overlay": 4,
      "to-proxy": 1,
      "to-stack": 3,
      "to-crypto": 13,
    },
  },
  "trace-sock": {
    number: 8,
    subTypes: { "pre-xlate-fwd": 1, "post-xlate-fwd": 2, "pre-xlate-rev": 3, "post-xlate-rev": 4 },
  },
};

/** Accepted besides, as Cilium's `hubble` does: other tools' filters may name them. */
const otherEventTypes: Readonly<Record<string, EventTypeNames>> = {
  debug: { number: 2, subTypes: {} },
  recorder: { number: 7, subTypes: {} },
  agent: {
    number: 130,
    subTypes: {
      unspecified: 0,
      message: 1,
      "agent-started": 2,
      "endpoint-regenerate-success": 3,
      "endpoint-regenerate-failure": 4,
      "policy-updated": 5,
      "policy-deleted": 6,
      "endpoint-created": 7,
      "endpoint-deleted": 8,
      "ipcache-upserted": 9,
      "ipcache-deleted": 10,
    },
  },
};

type EventTypeNames = {
  readonly number: number;
  readonly subTypes: Readonly<Record<string, number>>;
};

/** "trace", "trace:to-endpoint", "drop:133", "4:0" -> flow.EventTypeFilter. */
export function eventType(text: string): FilterValue {
  const at = text.indexOf(":");
  const typeText = at < 0 ? text : text.slice(0, at);
  const names = entry(eventTypes, typeText) ?? entry(otherEventTypes, typeText);
  const type =
    names?.number ??
    uint32(typeText) ??
    refuse(`There is no type "${typeText}": ${list(Object.keys(eventTypes))}.`);
  if (at < 0) return { type };
  const subTypeText = text.slice(at + 1);
  const subTypes = names?.subTypes ?? {};
  const known = Object.keys(subTypes);
  const subType =
    entry(subTypes, subTypeText) ??
    uint32(subTypeText) ??
    refuse(
      known.length > 0
        ? `"${typeText}" has no subtype "${subTypeText}": ${list(known)}.`
        : `Subtypes of "${typeText}" are numbers.`,
    );
  // Fields that are 0 are left out, as protobuf's JSON mapping does.
  return { type, match_sub_type: true, ...(subType === 0 ? {} : { sub_type: subType }) };
}

/** "syn,ack" -> flow.TCPFlags. */
export function tcpFlagsValue(text: string): FilterValue {
  const wanted = text.split(",").map((flag) => flag.toUpperCase());
  const unknown = wanted.find((flag) => !tcpFlags.includes(flag));
  if (unknown !== undefined) refuse(`There is no TCP flag "${unknown}": ${list(tcpFlags)}.`);
  return Object.fromEntries(
    tcpFlags.filter((flag) => wanted.includes(flag)).map((flag) => [flag, true]),
  );
}

/** "web", "Deployment/web", "Deployment/" -> flow.Workload. */
export function workload(text: string): FilterValue {
  const at = text.indexOf("/");
  const kind = at < 0 ? "" : text.slice(0, at);
  const name = text.slice(at + 1);
  return { ...(name === "" ? {} : { name }), ...(kind === "" ? {} : { kind }) };
}

/** Names of identities that need no number. */
export const reservedIdentities = Object.keys(ReservedIdentity).filter(
  (name) => name !== "unknown",
);

/** "world" or "12345" -> the number. */
export function identity(text: string): FilterValue {
  return (
    entry(ReservedIdentity as Readonly<Record<string, number>>, text) ??
    uint32(text) ??
    refuse(`An identity is a number, or one of ${list(reservedIdentities)}.`)
  );
}

export function ipVersion(text: string): FilterValue {
  switch (text.toLowerCase()) {
    case "4":
    case "v4":
    case "ipv4":
    case "ip4":
      return "IPv4";
    case "6":
    case "v6":
    case "ipv6":
    case "ip6":
      return "IPv6";
    case "none":
      return "IP_NOT_USED";
    default:
      return refuse(`One of ${list(["none", "v4", "v6"])}.`);
  }
}

export function verdict(text: string): FilterValue {
  const name = text.toUpperCase();
  return verdicts.includes(name) || name === "VERDICT_UNKNOWN"
    ? name
    : refuse(`One of ${list(verdicts)}.`);
}

export function trafficDirection(text: string): FilterValue {
  const name = text.toUpperCase();
  return name === "INGRESS" || name === "EGRESS" ? name : refuse("Either ingress or egress.");
}

/** The name of a flow.DropReason; whether there is one of that name is known when the request is made. */
export function dropReason(text: string): FilterValue {
  const name = text.toUpperCase();
  return /^[A-Z0-9_]+$/.test(name) ? name : refuse('A name such as "POLICY_DENIED".');
}

/** "name:value" -> flow.HTTPHeader. */
export function httpHeader(text: string): FilterValue {
  const at = text.indexOf(":");
  if (at < 0) return refuse('Write it as "name:value".');
  return { key: text.slice(0, at), value: text.slice(at + 1) };
}

/** A number of 64 bits, as text: that is how JSON carries it. */
export function ipTraceId(text: string): FilterValue {
  const valid = /^[1-9]\d{0,19}$/.test(text) && BigInt(text) < 1n << 64n;
  return valid ? text : refuse("A whole number greater than 0.");
}

function uint32(text: string): number | undefined {
  const number = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  return number < 2 ** 32 ? number : undefined;
}

function entry<T>(table: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}

function list(words: readonly string[]): string {
  return words.join(", ");
}

/** @throws InvalidArgumentError */
function refuse(message: string): never {
  throw new InvalidArgumentError(message);
}
