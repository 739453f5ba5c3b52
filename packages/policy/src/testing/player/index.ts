// The agent's part in tests of the compiler and of the maps it fills.
export { assertAgreement, causesOf, isAmong, questionText } from "./agreement.ts";
export { ask, causeText, protocolOf, rowOf } from "./ask.ts";
export { KernelPolicy, type Decision } from "./kernel-policy.ts";
export { Player, type AddressRow } from "./player.ts";
