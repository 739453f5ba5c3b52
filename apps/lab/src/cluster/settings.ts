// A lab's settings: its own, and what it does otherwise itself for some. The agent judges them; here they only have to
// be read.

/** `--set key=value` of `lab up`. */
export type Settings = Readonly<Record<string, string>>;

/** What a lab sets where the user says nothing else. */
export const labSettings: Settings = {
  "cluster-pool-ipv4-cidr": "10.244.0.0/16",
  "cluster-pool-ipv4-mask-size": "24",
  "cluster-pool-ipv6-cidr": "fd00:10:244::/56",
  "cluster-pool-ipv6-mask-size": "64",
  // An operator that was killed is back sooner than in a real cluster, whose API server may be slower.
  "leader-election-lease-duration": "6s",
  "leader-election-renew-deadline": "4s",
  "leader-election-retry-period": "500ms",
  // There is no kube-proxy to do it.
  "kube-proxy-replacement": "true",
};

/** How packets meet XDP at nodes' devices, as far as the wires must be made for it. */
export type Acceleration = "none" | "generic" | "native";

export function accelerationOf(settings: Settings): Acceleration {
  switch (settings["bpf-lb-acceleration"]) {
    case "native":
    case "best-effort":
      return "native";
    case "testing-only":
      return "generic";
    default:
      return "none";
  }
}

/** Whether processes in a node's own network reach cluster IPs: at connect(), there is no other way for them. */
export function isHostBalanced(settings: Settings): boolean {
  return isOn(settings["bpf-lb-sock"] ?? settings["kube-proxy-replacement"] ?? "false");
}

/** Whether pods have addresses of a family. */
export function hasFamily(settings: Settings, family: 4 | 6): boolean {
  return isOn(settings[`enable-ipv${family}`] ?? "true");
}

/** The agents' cluster-name. */
export function clusterName(settings: Settings): string {
  return settings["cluster-name"] ?? "default";
}

/** Whether agents see flows, and a relay merges them. */
export function hasHubble(settings: Settings): boolean {
  return isOn(settings["enable-hubble"] ?? "true");
}

/** Whether agents serve relays without TLS. */
export function isHubblePlain(settings: Settings): boolean {
  return isOn(settings["hubble-disable-tls"] ?? "false");
}

function isOn(text: string): boolean {
  return /^(true|t|1)$/i.test(text);
}
