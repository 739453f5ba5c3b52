// The kernel as the engine sees it: the policy maps, and what an earlier agent left in them.
import { openMaps, PolicyMaps } from "@tsilium/datapath";
import type { CidrClassEntry } from "@tsilium/policy/model.ts";
import type { AddressRow } from "@tsilium/ipcache";
import type { EndpointEntry, SubjectSlots } from "@tsilium/datapath/model.ts";
import type { SlotHeader } from "./slot.ts";

export type PolicyKernel = {
  readonly maps: PolicyMaps;
  /** Looks at every entry there is. */
  survey(): KernelSurvey;
  /** This node's pods. */
  endpoints(): EndpointEntry[];
};

/** What an earlier agent, or an earlier worker of this one, left. */
export type KernelSurvey = {
  readonly subjects: readonly SubjectSlots[];
  readonly slots: readonly SurveyedSlot[];
  readonly largestRule: number;
  readonly identities: readonly number[];
  readonly addresses: readonly AddressRow[];
};

export type SurveyedSlot = SlotHeader & {
  readonly cidrClasses: readonly CidrClassEntry[];
  /** Of listeners that its entries send connections to. */
  readonly proxyPorts: ReadonlySet<number>;
};

/** Opens the maps that the main thread's datapath has pinned. @throws DatapathError not_running */
export function openPolicyKernel(bpffs: string): PolicyKernel & Disposable {
  const maps = PolicyMaps.open({ bpffs });
  return {
    maps,
    survey: () => surveyKernel(maps, bpffs),
    endpoints: () => openMaps({ bpffs }).endpoints.list(),
    [Symbol.dispose]: () => maps[Symbol.dispose](),
  };
}

function surveyKernel(maps: PolicyMaps, bpffs: string): KernelSurvey {
  const { subjects, slots, largestRule, identities, addresses } = maps.survey();
  // Slots 0 and 1 are in every kernel and have no entries.
  const numbers = new Set([...slots].filter((slot) => slot > 1));
  const surveyed = openMaps({ bpffs }).policy.slots(numbers);
  return {
    subjects,
    slots: surveyed.map(
      ({ slot, default: { rule }, usesCidr, knownPeersOnly, cidrClasses, rules }) => ({
        slot,
        otherwise: { verdict: "deny", rule },
        usesCidr,
        knownPeersOnly,
        cidrClasses,
        proxyPorts: new Set(rules.map(({ proxyPort }) => proxyPort).filter((port) => port !== 0)),
      }),
    ),
    largestRule,
    identities,
    addresses,
  };
}
