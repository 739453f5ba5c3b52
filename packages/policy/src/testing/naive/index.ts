// The oracle: what policy means, from the specifications alone. Shares no code with what it is compared to.
export { naive, type Answer, type Naive, type Side, type SideVerdict } from "./evaluate.ts";
export type { L7Entry, L7Kind, NaiveRuleSet } from "./l7.ts";
export type * from "./objects.ts";
export * from "./world.ts";
