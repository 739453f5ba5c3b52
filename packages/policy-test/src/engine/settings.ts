// The agent's configuration, as far as policy depends on it, under the agent's own keys.
import type { DenyResponse, PolicySettings } from "@tsilium/policy/model.ts";
import { TestError } from "../error.ts";

export type EngineSettings = PolicySettings & {
  readonly kubernetesIpBlock: "any" | "external";
  readonly nodeSelectorLabels: boolean;
  readonly families: readonly (4 | 6)[];
  /** `--labels`: which labels make identities. */
  readonly labels: readonly string[];
};

/** What is not said is as the agent has it by default. @throws TestError unsupported for another key, or no such value */
export function engineSettings(given: Readonly<Record<string, string>> = {}): EngineSettings {
  for (const key of Object.keys(given))
    if (!knownKeys.includes(key))
      throw new TestError(
        "unsupported",
        `policy does not depend on the setting "${key}"; it does on ${knownKeys.join(", ")}`,
      );
  const choice = <T extends string>(key: Key, values: readonly T[]): T => {
    const value = given[key] ?? values[0];
    if (values.includes(value as T)) return value as T;
    throw new TestError("unsupported", `${key} is one of ${values.join(", ")}, not "${value}"`);
  };
  const flag = (key: Key, byDefault: boolean) =>
    choice(key, byDefault ? (["true", "false"] as const) : (["false", "true"] as const)) === "true";
  return {
    enablePolicy: choice("enable-policy", ["default", "always", "never"]),
    allowLocalhost: choice("allow-localhost", ["auto", "always", "policy"]) !== "policy",
    cidrMatchMode: words(given["policy-cidr-match-mode"]).filter(isMatchMode),
    kubernetesIpBlock: choice("k8s-ipblock-match", ["any", "external"]),
    audit: flag("policy-audit-mode", false),
    denyResponse: choice<DenyResponse>("policy-deny-response", ["drop", "icmp", "rst"]),
    nodeSelectorLabels: flag("enable-node-selector-labels", false),
    clusterName: given["cluster-name"] ?? "default",
    labels: words(given["labels"]),
    families: [
      ...(flag("enable-ipv4", true) ? [4 as const] : []),
      ...(flag("enable-ipv6", true) ? [6 as const] : []),
    ],
  };
}

const knownKeys = [
  "enable-policy",
  "allow-localhost",
  "policy-cidr-match-mode",
  "k8s-ipblock-match",
  "policy-audit-mode",
  "policy-deny-response",
  "enable-node-selector-labels",
  "cluster-name",
  "labels",
  "enable-ipv4",
  "enable-ipv6",
] as readonly string[];
type Key = string;

function isMatchMode(word: string): word is "nodes" | "pods" {
  if (word === "nodes" || word === "pods") return true;
  throw new TestError("unsupported", `policy-cidr-match-mode takes nodes and pods, not "${word}"`);
}

function words(text: string | undefined): string[] {
  return (text ?? "").split(/[\s,]+/).filter((word) => word !== "");
}
