// Ports of listeners for rule sets: who gives them out, and a way to do so where there are no listeners.
import type { RuleSet } from "../model.ts";

/** A rule set that is to have a listener. */
export type WantedListener = {
  readonly ruleSet: RuleSet;
  /** A text that two sets share exactly when they mean the same, whatever numbers their rules have. */
  readonly content: string;
  /** Whose rules are in it, those of the whole cluster aside; "": nobody's, or of several. */
  readonly namespace: string;
};

export type RuleSetPorts = {
  /** The port of the listener that enforces the set, which stays its own until as often released; undefined: none is left. */
  acquire(wanted: WantedListener): number | undefined;
  release(port: number): void;
  /** `acquire` would answer a port now. */
  hasRoom(wanted: WantedListener): boolean;
};

/** For questions and tests: the first set is `first`, and there are always more. */
export function countedPorts(first = 1): RuleSetPorts {
  const byContent = new Map<string, number>();
  return {
    acquire({ content }) {
      const port = byContent.get(content) ?? first + byContent.size;
      byContent.set(content, port);
      return port;
    },
    release() {},
    hasRoom: () => true,
  };
}
