// What the policy maps hold, read back: for an agent that starts beside what an earlier one left, and for people.
import type { TypedMap } from "@tsilium/ebpf";
import type {
  Policy,
  PolicyClass,
  PolicyClassKey,
  PolicyRule,
  KnownIdentity,
  PolicyRuleKey,
  PolicySubject,
} from "../gen/abi.ts";
import { policyClassFlags, policyFlags } from "../gen/abi.ts";
import type { DenyResponse, IpcacheEntry, SubjectSlots, VerdictWord } from "../model.ts";
import { cidrKeyBit, responseWord, verdictWord } from "./rows.ts";

type Tables = {
  readonly subjects: TypedMap<number, PolicySubject>;
  readonly policies: TypedMap<number, Policy>;
  readonly classes: TypedMap<PolicyClassKey, PolicyClass>;
  readonly rules: TypedMap<PolicyRuleKey, PolicyRule>;
};
type SurveyedTables = Tables & { readonly identities: TypedMap<number, KnownIdentity> };

/** Numbers that are taken. */
export type PolicySurvey = {
  readonly subjects: readonly SubjectSlots[];
  /** Slots that have entries or that a subject refers to. */
  readonly slots: ReadonlySet<number>;
  readonly largestRule: number;
  /** Those that are known. */
  readonly identities: readonly number[];
  readonly cidrSets: ReadonlySet<number>;
  readonly addresses: readonly IpcacheEntry[];
};

/** Reads the numbers an earlier agent uses. Walks every policy map once. */
export function surveyPolicy(
  tables: SurveyedTables,
  ipcache: { entries(): IpcacheEntry[] },
): PolicySurvey {
  const subjects = listSubjects(tables.subjects);
  const slots = new Set(subjects.flatMap(({ ingress, egress }) => [ingress, egress]));
  let largestRule = 0;
  for (const [{ slot }, { rule }] of tables.rules.entries()) {
    slots.add(slot);
    largestRule = Math.max(largestRule, rule);
  }
  for (const [{ slot }] of tables.classes.entries()) slots.add((slot & ~cidrKeyBit) >>> 0);
  for (const [slot, header] of tables.policies.entries())
    if (slots.has(slot)) largestRule = Math.max(largestRule, header.defaultRule);
  const addresses = ipcache.entries();
  const cidrSets = new Set(addresses.map(({ cidrSet }) => cidrSet).filter((set) => set !== 0));
  const identities = [...tables.identities.keys()];
  return { subjects, slots, largestRule, identities, cidrSets, addresses };
}

/** Subjects that have slots, in order of number. */
export function listSubjects(map: TypedMap<number, PolicySubject>): SubjectSlots[] {
  return Array.from(map.entries(), ([subject, row]) => ({ subject, ...row })).filter(
    ({ ingress, egress }) => ingress !== 0 || egress !== 0,
  );
}

/** A slot as the kernel holds it, for `bpf policy get`. */
export type KernelSlot = {
  readonly slot: number;
  readonly default: {
    readonly verdict: VerdictWord | undefined;
    readonly rule: number;
    readonly response: DenyResponse;
  };
  readonly portLengths: readonly number[];
  readonly usesCidr: boolean;
  readonly defaultIgnoresCidr: boolean;
  readonly knownPeersOnly: boolean;
  readonly classes: readonly {
    readonly identity: number;
    readonly class: number;
    readonly ignoresCidr: boolean;
  }[];
  readonly cidrClasses: readonly { readonly cidrSet: number; readonly class: number }[];
  readonly rules: readonly {
    readonly class: number;
    readonly cidrClass: number;
    readonly protocol: number;
    readonly port: number;
    readonly portLength: number;
    readonly verdict: VerdictWord | undefined;
    readonly response: DenyResponse;
    readonly rule: number;
    /** Of a redirect; 0 for others. */
    readonly proxyPort: number;
  }[];
};

/** The slots of these numbers, with all their entries. Walks the maps once. */
export function listSlots(
  tables: Omit<Tables, "subjects">,
  wanted: ReadonlySet<number>,
): KernelSlot[] {
  const slots = new Map<number, Mutable>();
  for (const slot of wanted) {
    const header = tables.policies.lookup(slot);
    if (header !== undefined) slots.set(slot, emptySlot(slot, header));
  }
  for (const [key, row] of tables.classes.entries()) {
    const isCidr = key.slot >= cidrKeyBit;
    const found = slots.get((key.slot & ~cidrKeyBit) >>> 0);
    if (isCidr) found?.cidrClasses.push({ cidrSet: key.peer, class: row.classId });
    else
      found?.classes.push({
        identity: key.peer,
        class: row.classId,
        ignoresCidr: (row.flags & policyClassFlags.addressless) !== 0,
      });
  }
  for (const [key, row] of tables.rules.entries())
    slots.get(key.slot)?.rules.push({
      class: key.classId,
      cidrClass: key.cidrClass,
      protocol: key.protocol,
      port: key.port,
      portLength: key.length,
      verdict: verdictWord(row.verdict),
      response: responseWord(row.response),
      rule: row.rule,
      proxyPort: row.proxyPort,
    });
  return [...slots.values()].toSorted((a, b) => a.slot - b.slot);
}

type Mutable = Omit<KernelSlot, "classes" | "cidrClasses" | "rules"> & {
  readonly classes: KernelSlot["classes"][number][];
  readonly cidrClasses: KernelSlot["cidrClasses"][number][];
  readonly rules: KernelSlot["rules"][number][];
};

function emptySlot(slot: number, header: Policy): Mutable {
  return {
    slot,
    default: {
      verdict: verdictWord(header.defaultVerdict),
      rule: header.defaultRule,
      response: responseWord(header.defaultResponse),
    },
    portLengths: Array.from({ length: 17 }, (_, length) => length).filter(
      (length) => header.portLengths & (1 << length),
    ),
    usesCidr: (header.flags & policyFlags.usesCidr) !== 0,
    defaultIgnoresCidr: (header.flags & policyFlags.defaultIgnoresCidr) !== 0,
    knownPeersOnly: (header.flags & policyFlags.knownPeers) !== 0,
    classes: [],
    cidrClasses: [],
    rules: [],
  };
}
