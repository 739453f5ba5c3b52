// This node's own settings, asked for before the agent is made of them.
//
//   API server answers --> CiliumNodeConfigs, this Node's labels --> settings --> remembered for the next start
//   does not answer    --> what the last start remembered; a first start waits, as it must for its Node
import { setTimeout as sleep } from "node:timers/promises";
import { type CiliumNodeConfig, KubeError, type KubeClient, resources } from "@tsilium/kube";
import type { Logger } from "@tsilium/runtime";
import { type NodeSettings, settingsFor } from "./decide.ts";
import { remember, remembered } from "./memory.ts";

export type ResolveOptions = {
  readonly client: KubeClient;
  /** Of CiliumNodeConfigs. */
  readonly namespace: string;
  readonly nodeName: string;
  /** Where settings are remembered. */
  readonly file: string;
  readonly log: Logger;
  readonly signal: AbortSignal;
};

export type ResolvedSettings = NodeSettings & {
  /** Why they are those of the last start; undefined: the API server said so now. */
  readonly staleBecause?: string;
};

/** A node that an agent ran on before does not wait longer for what it knows. */
const patienceMs = 3_000;

/** @throws the signal's reason */
export async function resolveNodeSettings(options: ResolveOptions): Promise<ResolvedSettings> {
  const { file, log, signal } = options;
  const known = remembered(file);
  let complained = false;
  for (let delayMs = 50; ; delayMs = Math.min(delayMs * 2, 1_000)) {
    try {
      const settings = await ask(options);
      remember(file, settings);
      return settings;
    } catch (error) {
      signal.throwIfAborted();
      if (known) return { ...known, staleBecause: (error as Error).message };
      if (!complained) log.warn({ error }, "cannot read CiliumNodeConfigs yet, will retry");
      complained = true;
      await sleep(delayMs, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }
}

async function ask(options: ResolveOptions): Promise<NodeSettings> {
  const { client, nodeName } = options;
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(patienceMs)]);
  const configs = await listConfigs(options, signal);
  if (configs.length === 0) return { overrides: [], problems: [] };
  const { metadata } = await client.get(resources.nodes, nodeName, { signal });
  return settingsFor(configs, metadata.labels ?? {});
}

/** None, too, as long as the operator has not defined the kind. */
async function listConfigs(
  { client, namespace }: ResolveOptions,
  signal: AbortSignal,
): Promise<readonly CiliumNodeConfig[]> {
  try {
    return (await client.list(resources.ciliumNodeConfigs, { namespace, signal })).items;
  } catch (error) {
    if (KubeError.isNotFound(error)) return [];
    throw error;
  }
}
