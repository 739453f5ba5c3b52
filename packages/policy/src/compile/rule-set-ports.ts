// Ports of listeners for rule sets: who gives them out, and a way to do so where there are no listeners.
import type { RuleSet } from "../model.ts";

export type RuleSetPorts = {
  /**
   * The port of the listener that enforces the set, which stays its own until as often released.
   * @param content a text that two sets share exactly when they mean the same, whatever numbers their rules have
   * @throws SlotError no_port_left
   */
  acquire(ruleSet: RuleSet, content: string): number;
  release(port: number): void;
};

/** For questions and tests: the first set is 1. */
export function countedPorts(): RuleSetPorts {
  const byContent = new Map<string, number>();
  return {
    acquire(_, content) {
      const port = byContent.get(content) ?? byContent.size + 1;
      byContent.set(content, port);
      return port;
    },
    release() {},
  };
}
