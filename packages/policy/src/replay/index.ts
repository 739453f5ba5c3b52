// Recorded flows put to policy again. Pure.
export { type AddressRules, judge, type Judge } from "./judge.ts";
export { type Proof, type ProofSettings, prove } from "./prove.ts";
export {
  questionOf,
  replay,
  type ReplayChange,
  type ReplayOptions,
  type ReplayReport,
} from "./replay.ts";
export { type SeenConnection, SeenConnections, type SeenEnd } from "./seen-connection.ts";
