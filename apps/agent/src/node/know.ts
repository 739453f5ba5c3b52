// The node's facts over the agent's life: taken from disk or learned, and checked once the API server is heard.
import { rmSync } from "node:fs";
import type { Family } from "@tsilium/net";
import type { Logger } from "@tsilium/runtime";
import type { IpamSource } from "../ipam/source.ts";
import { loadNodeFacts, type NodeFacts, sameFacts, saveNodeFacts } from "./facts.ts";
import { areComplete, type LocalNode } from "./local.ts";

export type KnowOptions = {
  /** Where facts are kept. */
  readonly file: string;
  readonly nodeName: string;
  readonly families: readonly Family[];
  readonly localNode: LocalNode;
  readonly ipamSource: Pick<IpamSource, "isComplete">;
  readonly log: Logger;
  readonly stop: AbortSignal;
};

/** What an earlier agent knew of this node if that still serves, otherwise what the API server says. */
export async function knowNode(options: KnowOptions): Promise<NodeFacts> {
  const { file, nodeName, families, localNode, ipamSource, stop } = options;
  const saved = loadNodeFacts(file, nodeName);
  if (saved && areComplete(saved, families, ipamSource)) {
    localNode.useRouters(saved);
    return saved;
  }
  const facts = await localNode.learn(stop);
  saveNodeFacts(file, facts);
  return facts;
}

/**
 * Ends the process when the node's addresses or pod CIDRs are others by now: it cannot go on as it is, and the
 * next start learns them.
 */
export async function checkFacts(facts: NodeFacts, options: KnowOptions): Promise<void> {
  const { file, localNode, log, stop } = options;
  const current = await localNode.learn(stop);
  if (sameFacts(facts, current)) return;
  log.fatal(
    { was: facts, is: current },
    "this node's addresses or pod CIDRs have changed: starting anew",
  );
  rmSync(file, { force: true });
  process.exit(1);
}
