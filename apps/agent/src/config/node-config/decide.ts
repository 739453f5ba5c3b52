// Which settings of CiliumNodeConfigs are for this node. Pure.
import { type CiliumNodeConfig, selects } from "@tsilium/kube";
import type { Override } from "@tsilium/runtime/config.ts";

/**
 * What finds the API server, this node's objects and this page's file is asked before these settings are known. Elsewhere
 * they would make the agent another one, which no object of the cluster may.
 */
const ownKeys: ReadonlySet<string> = new Set([
  "kubeconfig",
  "k8s-node-name",
  "k8s-namespace",
  "run-dir",
]);

export type NodeSettings = {
  /** Strongest first. */
  readonly overrides: readonly Override[];
  /** What of the objects is of no use, a sentence each. */
  readonly problems: readonly string[];
};

/** As Cilium's: of objects that set the same key, that whose name is last in the alphabet counts. */
export function settingsFor(
  configs: readonly CiliumNodeConfig[],
  nodeLabels: Readonly<Record<string, string>>,
): NodeSettings {
  const problems: string[] = [];
  const chosen = new Map<string, Override>();
  const byName = configs.toSorted((a, b) => compare(a.metadata.name, b.metadata.name));
  for (const config of byName) {
    const { name = "", namespace = "" } = config.metadata;
    const source = `cilium-node-config:${namespace}/${name}` as const;
    try {
      if (!isFor(config, nodeLabels)) continue;
    } catch (error) {
      problems.push(`${source}: nodeSelector: ${(error as Error).message}`);
      continue;
    }
    for (const [key, text] of Object.entries(config.spec?.defaults ?? {})) {
      if (ownKeys.has(key)) problems.push(`${source}: ${key} cannot be set for some nodes`);
      else if (typeof text !== "string") problems.push(`${source}: ${key}: wanted text`);
      else chosen.set(key, { key, text, source });
    }
  }
  return { overrides: [...chosen.values()], problems };
}

/** An object without a selector selects nothing: one that was forgotten must not change every node. */
function isFor({ spec }: CiliumNodeConfig, labels: Readonly<Record<string, string>>): boolean {
  return spec?.nodeSelector !== undefined && selects(spec.nodeSelector, labels);
}

/** By code units, as Go sorts. */
function compare(a = "", b = ""): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
