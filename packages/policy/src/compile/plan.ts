// What a slot decides, before it is known which peers there are: rules in order of precedence, grouped by the peers
// they name. It depends on nothing but the request, so that equal requests share a slot.
//
//   specs' rules --sorted--> rules[rank]
//                              |-- everybody: ranks            rules that name no peer
//                              |-- parties: ranks of each      rules that name the same peers
//                                     ^-- selectors, prefixes  how a peer is found to belong to one
import type { Direction, NamedPort } from "../model.ts";
import type { Decider, WeighedRule } from "./decider.ts";
import type { Grouping } from "./grouping.ts";
import type { PortCut } from "./port-cuts.ts";
import type { NamedMatch } from "./resolve.ts";
import type { Redirects } from "./redirects.ts";
import type { RuleLease } from "./rule-numbers.ts";
import type { RuleSetLease } from "./rule-sets.ts";
import type { SlotHeader } from "./slot-header.ts";
import type { SpecSide } from "./spec-record.ts";

/** What makes two subjects' slots differ in one direction. */
export type SlotRequest = {
  readonly direction: Direction;
  /** In order of precedence. */
  readonly sides: readonly SpecSide[];
  /** Why the subject is isolated whatever policies say; undefined: it is not. */
  readonly isolatedBy: string | undefined;
  /** Nothing is denied, only told. */
  readonly isAudit: boolean;
  /** Ingress: the subject's, as far as rules name them. */
  readonly namedPorts: readonly NamedPort[];
};

export type PlannedRule = WeighedRule & {
  /** undefined: every protocol and port. */
  readonly cuts: readonly PortCut[] | undefined;
  /** Egress: resolved for each peer. */
  readonly named: readonly NamedMatch[];
};

export type SlotPlan = {
  readonly direction: Direction;
  readonly header: SlotHeader;
  readonly decider: Decider;
  readonly rules: readonly PlannedRule[];
  readonly grouping: Grouping;
  /** The numbers that its rules have as long as it is used. */
  readonly lease: RuleLease;
  /** The rule sets that it sends connections to. */
  readonly ruleSets: RuleSetLease;
  readonly redirects: Redirects;
};
