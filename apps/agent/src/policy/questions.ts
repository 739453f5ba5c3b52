// What the worker can be asked, and what it answers.
import type { Explanation } from "@tsilium/policy";
import type { LabelSelector } from "@tsilium/policy/model.ts";
import type { Condition, NamedRule, ObjectReport } from "./model.ts";

/** One end of traffic. */
export type AskedEnd = {
  readonly identity: number;
  /** For rules about addresses. */
  readonly address: string | undefined;
  /** Of a pod of this node. */
  readonly subject: number | undefined;
};

export type Question =
  /** What became of every policy and CIDR group. */
  | { readonly kind: "objects" }
  /** What numbers of rules stand for; undefined: all of them. */
  | { readonly kind: "rules"; readonly numbers: readonly number[] | undefined }
  /** Whom the selectors match that policies of this node's pods name. */
  | { readonly kind: "selectors" }
  /** What of these prefixes is not in the kernel. */
  | { readonly kind: "addresses"; readonly prefixes: readonly string[] }
  | {
      readonly kind: "explain";
      readonly from: AskedEnd;
      readonly to: AskedEnd;
      readonly protocol: number;
      /** Of the destination; an ICMP type for ICMP. */
      readonly port: number;
    };

export type SelectorReport = {
  readonly selector: LabelSelector;
  readonly identities: readonly number[];
  /** Policies in the kernel that look for it. */
  readonly slots: number;
};

export type Answers = {
  readonly objects: readonly ObjectReport[];
  readonly rules: readonly NamedRule[];
  readonly selectors: readonly SelectorReport[];
  readonly addresses: readonly Condition[];
  readonly explain: Explanation;
};

export type QuestionKind = Question["kind"];
export type Answer = Answers[QuestionKind];
