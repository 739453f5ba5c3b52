// What happened to names since the agent started.
import type { RefusalReason } from "@tsilium/fqdn/model.ts";

export type FqdnCounters = {
  /** Answers taken in. */
  lookups: number;
  /** Answers that went to their pods before the kernel had their addresses. */
  late: number;
  /** Names that lost addresses because their time was over. */
  deletions: number;
  /** Connections whose address was given up for want of room. */
  givenUp: number;
  /** Times that an address was refused. */
  readonly refused: Map<RefusalReason, number>;
};

export function fqdnCounters(): FqdnCounters {
  return { lookups: 0, late: 0, deletions: 0, givenUp: 0, refused: new Map() };
}
