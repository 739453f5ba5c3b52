// The agent's configuration. An unknown key is an error wherever it stands.
import { type Key, type LoadedKeys, loadKeys, type Override } from "@tsilium/runtime/config.ts";
import { hubbleContradictions } from "./hubble-contradictions.ts";
import { type AgentConfig, type KeyName, keys } from "./keys.ts";
import { ipamContradictions } from "./ipam-contradictions.ts";
import { masqueradeContradictions } from "./masquerade-contradictions.ts";
import { proxyContradictions } from "./proxy-contradictions.ts";
import { serviceContradictions } from "./service-contradictions.ts";

export type LoadedConfig = LoadedKeys<typeof keys>;

/**
 * Loads and checks the configuration.
 * @param args the command line after the program's name.
 * @param overrides this node's own settings, strongest first; see node-config/resolve.ts
 * @throws ConfigError with every unknown key (and the nearest known one) and every unreadable value.
 */
export function loadConfig(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
  overrides: readonly Override[] = [],
): LoadedConfig {
  return loadKeys(keys, { args, environment, shared: false, overrides, contradictions });
}

/** Every key with its value, where that comes from, and what it means: the body of /v1/config. */
export function configView({ values, sources }: LoadedConfig): object {
  return Object.fromEntries(
    Object.entries<Key<unknown>>(keys).map(([name, { kind, help }]) => [
      name,
      {
        value: values[name as KeyName] ?? "",
        source: sources[name as KeyName],
        kind,
        help,
      },
    ]),
  );
}

/** Settings that are fine one by one and senseless together. */
function contradictions(config: AgentConfig): string[] {
  const problems: string[] = [];
  if (!config["enable-ipv4"] && !config["enable-ipv6"]) {
    problems.push("enable-ipv4 and enable-ipv6 are both false: pods would have no address");
  }
  const masquerades = config["enable-ipv4-masquerade"] || config["enable-ipv6-masquerade"];
  if (masquerades && !config["enable-bpf-masquerade"]) {
    problems.push(
      "enable-bpf-masquerade is false: masquerading exists in eBPF only; also set enable-ipv4-masquerade and enable-ipv6-masquerade to false",
    );
  }
  if (config["auto-direct-node-routes"] && config["routing-mode"] === "tunnel") {
    problems.push("auto-direct-node-routes needs routing-mode native");
  }
  problems.push(
    ...ipamContradictions(config),
    ...masqueradeContradictions(config),
    ...proxyContradictions(config),
    ...serviceContradictions(config),
    ...hubbleContradictions(config),
  );
  return problems;
}
