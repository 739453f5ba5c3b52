// Policy routing rules (struct fib_rule_hdr and FRA_* attributes; linux/fib_rules.h), both directions. Pure.
import { Prefix, type Address, type Family } from "@tsilium/net";
import { AF_INET, AF_INET6 } from "@tsilium/syscall";
import { address, AttributeWriter, readAttributes, text, u32, u8 } from "./attributes.ts";
import { withoutUndefined } from "./route-codec.ts";

const FRA_DST = 1;
const FRA_SRC = 2;
const FRA_IIFNAME = 3;
const FRA_PRIORITY = 6;
const FRA_FWMARK = 10;
const FRA_SUPPRESS_PREFIXLEN = 14;
const FRA_TABLE = 15;
const FRA_FWMASK = 16;
const FRA_OIFNAME = 17;
const FRA_PROTOCOL = 21;
const FR_ACT_TO_TBL = 1;
const FIB_RULE_INVERT = 0x02;
const RT_TABLE_COMPAT = 252;

/** Packets that match everything given are looked up in `table`. */
export type Rule = {
  readonly family: Family;
  /** Lower is asked first. */
  readonly priority: number;
  readonly table: number;
  readonly source?: Prefix;
  readonly destination?: Prefix;
  readonly mark?: number;
  /** Which bits of the mark are compared; all when absent and `mark` is given. */
  readonly markMask?: number;
  readonly inputInterface?: string;
  readonly outputInterface?: string;
  /** Ignore results with this prefix length or shorter. */
  readonly suppressPrefixLength?: number;
  /** Match what does not match. */
  readonly invert: boolean;
  /** Who made it (RTPROT_*). */
  readonly protocol?: number;
};

/** Payload of RTM_NEWRULE and RTM_DELRULE. */
export function encodeRule(rule: Rule): Uint8Array {
  const { source, destination, table } = rule;
  const header = new Uint8Array(12);
  header[0] = rule.family === 4 ? AF_INET : AF_INET6;
  header[1] = destination?.length ?? 0;
  header[2] = source?.length ?? 0;
  header[4] = table > 255 ? RT_TABLE_COMPAT : table;
  header[7] = FR_ACT_TO_TBL;
  new DataView(header.buffer).setUint32(8, rule.invert ? FIB_RULE_INVERT : 0, true);
  return new AttributeWriter(header)
    .address(FRA_DST, destination?.address)
    .address(FRA_SRC, source?.address)
    .text(FRA_IIFNAME, rule.inputInterface)
    .text(FRA_OIFNAME, rule.outputInterface)
    .u32(FRA_PRIORITY, rule.priority)
    .u32(FRA_FWMARK, rule.mark)
    .u32(FRA_FWMASK, rule.mark === undefined ? undefined : (rule.markMask ?? 0xffff_ffff))
    .u32(FRA_TABLE, table)
    .u32(FRA_SUPPRESS_PREFIXLEN, rule.suppressPrefixLength)
    .u8(FRA_PROTOCOL, rule.protocol)
    .bytes();
}

/** struct fib_rule_hdr alone: the filter of a dump. */
export function ruleHeader(family: Family): Uint8Array {
  const header = new Uint8Array(12);
  header[0] = family === 4 ? AF_INET : AF_INET6;
  return header;
}

/** Reads RTM_NEWRULE and RTM_DELRULE; undefined for other families and for rules that do not look up a table. */
export function decodeRule(payload: Uint8Array): Rule | undefined {
  if (payload.length < 12) return undefined;
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const family = view.getUint8(0);
  if ((family !== AF_INET && family !== AF_INET6) || view.getUint8(7) !== FR_ACT_TO_TBL)
    return undefined;
  const attributes = readAttributes(payload.subarray(12));
  const suppress = u32(attributes.get(FRA_SUPPRESS_PREFIXLEN));
  const protocol = u8(attributes.get(FRA_PROTOCOL));
  const optional = {
    source: prefix(address(attributes.get(FRA_SRC)), view.getUint8(2)),
    destination: prefix(address(attributes.get(FRA_DST)), view.getUint8(1)),
    mark: u32(attributes.get(FRA_FWMARK)),
    markMask: u32(attributes.get(FRA_FWMASK)),
    inputInterface: text(attributes.get(FRA_IIFNAME)),
    outputInterface: text(attributes.get(FRA_OIFNAME)),
    suppressPrefixLength: suppress === 0xffff_ffff ? undefined : suppress,
    protocol: protocol === 0 ? undefined : protocol,
  };
  return {
    family: family === AF_INET ? 4 : 6,
    priority: u32(attributes.get(FRA_PRIORITY)) ?? 0,
    table: u32(attributes.get(FRA_TABLE)) ?? view.getUint8(4),
    invert: (view.getUint32(8, true) & FIB_RULE_INVERT) !== 0,
    ...withoutUndefined(optional),
  };
}

function prefix(network: Address | undefined, length: number): Prefix | undefined {
  if (!network || length > network.bytes.length * 8) return undefined;
  return Prefix.of(network, length, { mask: true });
}
