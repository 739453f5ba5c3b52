// How names are, in a sentence.
import type { PartHealth } from "@tsilium/runtime";
import type { FqdnCounters } from "./counters.ts";

export type FqdnStatus = {
  readonly names: number;
  readonly addresses: number;
  readonly selectors: number;
  readonly identities: number;
  /** Entries whose time is over and whose address somebody is connected to. */
  readonly connected: number;
  readonly refused: number;
  readonly shared: number;
  /** Entries that went for want of room before their time. */
  readonly evicted: number;
  readonly counters: FqdnCounters;
  /** What keeps names from being written down; undefined: nothing. */
  readonly fileProblem: string | undefined;
  /** Why connections cannot be looked for; undefined: they can. */
  readonly lookProblem: string | undefined;
};

export function fqdnHealth(status: FqdnStatus): Omit<PartHealth, "name"> {
  const { counters, fileProblem, lookProblem } = status;
  const problems = [
    ...(fileProblem === undefined ? [] : [`names on disk: ${fileProblem}`]),
    ...(lookProblem === undefined ? [] : [`connections cannot be looked for: ${lookProblem}`]),
    ...(counters.givenUp === 0
      ? []
      : [`${counters.givenUp} addresses with connections were given up: too many`]),
    ...(status.evicted === 0 ? [] : [`${status.evicted} names went before their time: too many`]),
  ];
  const facts = [
    `${status.names} names, ${status.addresses} addresses`,
    `${status.selectors} selectors, ${status.identities} identities`,
    ...(status.connected > 0 ? [`${status.connected} kept for connections`] : []),
    ...(status.refused > 0 ? [`${status.refused} refused`] : []),
    ...(status.shared > 0 ? [`${status.shared} shared with names that are not allowed`] : []),
    ...(counters.late > 0 ? [`${counters.late} answers did not wait any longer`] : []),
  ];
  return {
    state: problems.length > 0 ? "degraded" : "ok",
    message: [...problems, ...facts].join("; "),
  };
}
