// What this node is to its cluster. Kept on disk, so that an agent that comes back takes its pods up again
// before (and without) hearing from the API server.
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { Address, Prefix } from "@tsilium/net";

export type NodeFacts = {
  readonly name: string;
  /** Underlay addresses. */
  readonly ipv4: Address | undefined;
  readonly ipv6: Address | undefined;
  readonly podCidrs: readonly Prefix[];
  /** tsi_host's addresses. */
  readonly routerIpv4: Address | undefined;
  readonly routerIpv6: Address | undefined;
};

/** Writes the facts, whole or not at all. */
export function saveNodeFacts(file: string, facts: NodeFacts): void {
  writeFileSync(`${file}.draft`, JSON.stringify(facts), { mode: 0o600 });
  renameSync(`${file}.draft`, file);
}

/** The facts an earlier agent of the node of this name saved; undefined when there are none that can be read. */
export function loadNodeFacts(file: string, name: string): NodeFacts | undefined {
  try {
    const saved = JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>;
    if (saved["name"] !== name || !Array.isArray(saved["podCidrs"])) return undefined;
    const address = (key: string) =>
      saved[key] === undefined ? undefined : Address.parse(String(saved[key]));
    return {
      name,
      ipv4: address("ipv4"),
      ipv6: address("ipv6"),
      podCidrs: saved["podCidrs"].map((cidr) => Prefix.parse(String(cidr))),
      routerIpv4: address("routerIpv4"),
      routerIpv6: address("routerIpv6"),
    };
  } catch {
    return undefined;
  }
}

/** True when both say the same. */
export function sameFacts(a: NodeFacts, b: NodeFacts): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
