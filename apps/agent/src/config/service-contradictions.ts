// Settings of services that are fine one by one and senseless together.
import type { AgentConfig } from "./keys.ts";
import { maglevSeed } from "./maglev-seed.ts";

/** Kinds of services that clients from outside reach; LoadBalancers are switched on with node ports. */
const outsideKeys = ["enable-node-port", "enable-external-ips", "enable-host-port"] as const;

/** Whether anything is served to clients from outside. */
export function servesOutside(config: AgentConfig): boolean {
  return outsideKeys.some((key) => config[key]);
}

/** What is wrong, a sentence each. */
export function serviceContradictions(config: AgentConfig): string[] {
  return [...unmetNeeds(config), ...badSeed(config)];
}

function unmetNeeds(config: AgentConfig): string[] {
  const outside = servesOutside(config);
  const someOutside = `one of ${outsideKeys.join(", ")}`;
  const acceleration = config["bpf-lb-acceleration"];
  const mode = config["bpf-lb-mode"];
  const healthz = config["kube-proxy-replacement-healthz-bind-address"];
  const needs: readonly (readonly [boolean, string, boolean, string])[] = [
    [acceleration !== "disabled", `bpf-lb-acceleration ${acceleration}`, outside, someOutside],
    [mode !== "snat", `bpf-lb-mode ${mode}`, outside, someOutside],
    [
      config["bpf-lb-dsr-dispatch"] === "ipip",
      "bpf-lb-dsr-dispatch ipip",
      config["routing-mode"] === "native",
      "routing-mode native",
    ],
    [config["bpf-lb-external-clusterip"], "bpf-lb-external-clusterip", outside, someOutside],
    [
      config["bpf-lb-sock-hostns-only"],
      "bpf-lb-sock-hostns-only",
      config["bpf-lb-sock"],
      "bpf-lb-sock",
    ],
    [
      healthz !== "",
      "kube-proxy-replacement-healthz-bind-address",
      config["kube-proxy-replacement"],
      "kube-proxy-replacement: kube-proxy's /healthz is kube-proxy's",
    ],
  ];
  return needs.flatMap(([wanted, what, met, need]) =>
    wanted && !met ? [`${what} needs ${need}`] : [],
  );
}

function badSeed(config: AgentConfig): string[] {
  try {
    maglevSeed(config["bpf-lb-maglev-hash-seed"]);
    return [];
  } catch (error) {
    return [`bpf-lb-maglev-hash-seed: ${(error as Error).message}`];
  }
}
