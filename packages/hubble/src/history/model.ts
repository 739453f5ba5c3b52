// What a history is told when it is opened, and what it says of itself.

export type HistoryOptions = {
  /** Made if it is not there; nobody else may look into it (0700). */
  readonly folder: string;
  /** Budget of files for all flows but those that `dropsMaxBytes` is for. */
  readonly maxBytes: number;
  /** Budget of its own for drops and denied or audited verdicts: no flood of others pushes these out. */
  readonly dropsMaxBytes: number;
  /** Flows older than this are removed, a segment at a time. */
  readonly maxAgeMs: number;
  /** A crash loses no more than this. Default 1,000. */
  readonly flushIntervalMs?: number;
  /** Flows in a block. Default 8,192. */
  readonly blockFlows?: number;
  /** The clock (UNIX time, ms) that ages are told by. Default: the system's. */
  readonly now?: () => number;
};

/** One of the two budgets. Counters start when the history is opened. */
export type StreamStatistics = {
  readonly segments: number;
  /** Of its files. */
  readonly bytes: number;
  /** That can be asked for. */
  readonly flows: number;
  /** Time of the oldest flow. */
  readonly oldestNs: bigint | undefined;
  /** Damaged blocks and torn ends, found when opening or reading. */
  readonly corruptBlocks: number;
  /** That were to be kept and could not be: the disk is full or fails, or is too slow. */
  readonly lostFlows: number;
  /** That made room for newer ones. */
  readonly removedFlows: number;
};

export type HistoryStatistics = StreamStatistics & {
  readonly streams: { readonly flows: StreamStatistics; readonly drops: StreamStatistics };
  /** Files that a newer version wrote, left alone. */
  readonly foreignFiles: number;
  /** Of the last write that failed, until one succeeds: "ENOSPC: no space left on device, write". */
  readonly writeError: string | undefined;
};
