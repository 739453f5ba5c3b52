// What the proxy counts since its start, for its status and the agent's metrics.

export type Counters = {
  /** Queries that went on to a server; denied; and those with which something went wrong. */
  forwarded: number;
  denied: number;
  errors: number;
  /** What was no query: dropped, answered FORMERR, answered REFUSED. */
  ignoredMessages: number;
  malformedQueries: number;
  refusedQueries: number;
  /** Queries beyond the limits, answered SERVFAIL. */
  overloads: number;
  timeouts: number;
  /** Messages from a server with no id that waits, or not of the question asked. */
  unexpectedAnswers: number;
  mismatchedAnswers: number;
  malformedAnswers: number;
  heldAnswers: number;
  /** Held answers that went without the agent's word. */
  holdTimeouts: number;
  /** Answers of clients that had the agent told too much already: their addresses are not learnt. */
  untoldAnswers: number;
  /** Datagrams for clients that the kernel did not take. */
  lostReplies: number;
  refusedConnections: number;
};

export function newCounters(): Counters {
  return {
    forwarded: 0,
    denied: 0,
    errors: 0,
    ignoredMessages: 0,
    malformedQueries: 0,
    refusedQueries: 0,
    overloads: 0,
    timeouts: 0,
    unexpectedAnswers: 0,
    mismatchedAnswers: 0,
    malformedAnswers: 0,
    heldAnswers: 0,
    holdTimeouts: 0,
    untoldAnswers: 0,
    lostReplies: 0,
    refusedConnections: 0,
  };
}
