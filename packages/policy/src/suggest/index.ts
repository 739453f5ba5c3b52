// From recorded flows to the policies that they need. Pure, and for browsers too: nothing of node is imported here
// (browser.test.ts). Whether the policies do what they are for, `prove` of ../replay says.
//   smallestRule(flow): SmallestRule      { kind: "rule", direction, policy, yaml, remarks } | { kind: "none", reason }
export type { PolicyManifest, SuggestedKind } from "./manifest.ts";
export { type Party, partyKey, partyOf } from "./party.ts";
export { type FlowPort, portText } from "./port.ts";
export { smallestRule, type SmallestRule } from "./smallest-rule.ts";
export { concerns, isWanted, suggest, type SuggestOptions, type Suggestion } from "./suggest.ts";
export { writeYaml } from "./yaml.ts";
