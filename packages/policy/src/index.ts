// Network policy: objects in, what the kernel holds out.
export * from "./model.ts";
export type { Finding, FindingCode, LintWorld } from "./lint/finding.ts";
export { lintPolicies } from "./lint/lint.ts";
export { parseSubjectAudit } from "./parse/annotations.ts";
export { parseCidrGroup, parsePolicy } from "./parse/parse.ts";
export type * from "./parse/result.ts";
export { PolicyCompiler, type CompilerStart, type L7Conflict } from "./compile/compiler.ts";
export type { FailedSubject, PolicyDelta, SubjectSlots } from "./compile/delta.ts";
export type {
  EndPoint,
  ExplainedL7,
  ExplainedRule,
  ExplainedSide,
  ExplainedVerdict,
  Explanation,
  ExplainQuestion,
} from "./compile/explain.ts";
export { countedPorts, type RuleSetPorts, type WantedListener } from "./compile/rule-set-ports.ts";
export { SlotError } from "./compile/errors.ts";
export { selects } from "./compile/selectors.ts";
export * from "./l7/index.ts";
export { lookup, type LookupAnswer, type LookupQuestion } from "./compile/lookup.ts";
