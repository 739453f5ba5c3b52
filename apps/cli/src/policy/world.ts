// What policies are held against: nothing but the labels that count by default, or the identities an agent knows.
import { labelFilter } from "@tsilium/identity";
import { Labels } from "@tsilium/net";
import type { LintWorld } from "@tsilium/policy";
import type { Command } from "commander";
import { getJson } from "../agent-client.ts";
import type { ConfigView, IdentityView } from "../api.ts";
import { agentContext } from "../context.ts";

export type World = LintWorld & { readonly clusterName: string };

export function offlineWorld(): World {
  return { clusterName: "default", countsForIdentity: labelFilter() };
}

/** @throws CommandError when no agent is to be had */
export async function clusterWorld(command: Command): Promise<World> {
  const { socket } = agentContext(command);
  const [config, identities] = await Promise.all([
    getJson<ConfigView>(socket, "/v1/config"),
    getJson<IdentityView[]>(socket, "/v1/identity"),
  ]);
  const patterns = config["labels"]?.value;
  const name = config["cluster-name"]?.value;
  return {
    clusterName: typeof name === "string" ? name : "default",
    countsForIdentity: labelFilter(Array.isArray(patterns) ? patterns.map(String) : []),
    // Reserved identities are nodes and the world; lint speaks of pods.
    endpoints: identities
      .filter(({ reserved }) => !reserved)
      .map(({ labels }) => Labels.parse(labels)),
  };
}
