// Policy entries as map rows and back: the words of model.ts against the numbers of bpf/maps/policy.h.
import {
  policyClassFlags,
  policyFlags,
  policyResponse,
  policyVerdict,
  type Policy,
  type PolicyClass,
  type PolicyClassKey,
  type PolicyRule,
  type PolicyRuleKey,
} from "../gen/abi.ts";
import type {
  CidrClassEntry,
  ClassEntry,
  CompiledSlot,
  DenyResponse,
  EntryVerdict,
  RuleEntry,
  VerdictWord,
} from "../model.ts";

/** In a class key's slot: the peer is a cidr-set (POLICY_CIDR_KEY). */
export const cidrKeyBit = 0x8000_0000;

const verdictWords: readonly VerdictWord[] = Object.entries(policyVerdict)
  .toSorted(([, a], [, b]) => a - b)
  .map(([name]) => (name === "defaultDeny" ? "default-deny" : name) as VerdictWord);
const responseWords = Object.keys(policyResponse) as DenyResponse[];

/** The word for an enum policy_verdict; undefined for a newer program's. */
export function verdictWord(code: number): VerdictWord | undefined {
  return verdictWords[code];
}

/** The word for an enum policy_response. */
export function responseWord(code: number): DenyResponse {
  return responseWords[code] ?? "drop";
}

export function headerRow(slot: CompiledSlot): Policy {
  const { otherwise, response, portLengths } = slot;
  return {
    portLengths: portLengths.reduce((bits, length) => bits | (1 << length), 0),
    defaultRule: otherwise.rule,
    flags:
      (slot.usesCidr ? policyFlags.usesCidr : 0) |
      (slot.defaultIgnoresCidr ? policyFlags.defaultIgnoresCidr : 0) |
      (slot.knownPeersOnly ? policyFlags.knownPeers : 0),
    defaultVerdict: verdictCode(otherwise.verdict, true),
    defaultResponse: policyResponse[response],
  };
}

export function classRow(slot: number, entry: ClassEntry): [PolicyClassKey, PolicyClass] {
  return [
    { slot, peer: entry.identity },
    { classId: entry.class, flags: entry.ignoresCidr ? policyClassFlags.addressless : 0 },
  ];
}

export function cidrClassRow(slot: number, entry: CidrClassEntry): [PolicyClassKey, PolicyClass] {
  return [
    { slot: (slot | cidrKeyBit) >>> 0, peer: entry.cidrSet },
    { classId: entry.class, flags: 0 },
  ];
}

/** defaultRule: the slot's, by which a denial is told to be nobody's rule. */
export function ruleRow(
  slot: number,
  entry: RuleEntry,
  defaultRule: number,
): [PolicyRuleKey, PolicyRule] {
  return [
    ruleKey(slot, entry),
    {
      rule: entry.rule,
      proxyPort: entry.proxyPort,
      verdict: verdictCode(entry.verdict, entry.rule === defaultRule),
      response: policyResponse[entry.response],
    },
  ];
}

export function ruleKey(slot: number, entry: RuleEntry): PolicyRuleKey {
  return {
    slot,
    classId: entry.class,
    cidrClass: entry.cidrClass,
    port: entry.port,
    protocol: entry.protocol,
    length: entry.portLength,
  };
}

function verdictCode(verdict: EntryVerdict, isDefault: boolean): number {
  if (verdict === "deny" && isDefault) return policyVerdict.defaultDeny;
  return policyVerdict[verdict];
}
