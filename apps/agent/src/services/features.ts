// What of services is on, feature by feature and in Cilium's words, for `status`.
import type { ServiceFeature } from "@tsilium/datapath/model.ts";
import type { PartHealth } from "@tsilium/runtime";
import type { AgentConfig } from "../config/keys.ts";

export type FeatureFacts = {
  readonly config: AgentConfig;
  /** Underlay devices, and the node's addresses on them. */
  readonly devices: readonly string[];
  /** What became of what the datapath was asked for: the kernel may lack something. */
  readonly datapath: readonly ServiceFeature[];
};

/** A part per feature. What the kernel lacks is degraded, with what serves in its place; what nobody wants is disabled. */
export function serviceFeatures(facts: FeatureFacts): PartHealth[] {
  const { config, devices } = facts;
  const whole = config["kube-proxy-replacement"];
  const socketLb = datapathPart("Socket LB", "socket-lb", facts);
  return [
    {
      name: "KubeProxyReplacement",
      state: whole ? "ok" : "disabled",
      message: whole ? `True   [${devices.join(", ")}]` : "False",
    },
    socketLb,
    part("Socket LB Coverage", socketLb.state === "ok", coverage(config)),
    datapathPart("NodePort Bind Protection", "bind-protection", facts),
    part("LB Mode", true, mode(config)),
    part("Backend Selection", true, selection(config)),
    datapathPart("XDP Acceleration", "acceleration", facts),
    part("Session Affinity", true, "Enabled"),
    part("Graceful Termination", true, "Enabled"),
    ...kinds(config),
    part("Local Redirect Policy", config["enable-local-redirect-policy"], "Enabled"),
    ...otherLacks(facts),
  ];
}

/** Features of the datapath that have a line of their own. */
const shown: ReadonlySet<string> = new Set(["socket-lb", "bind-protection", "acceleration"]);

/** What else this node cannot do. */
function otherLacks({ datapath }: FeatureFacts): PartHealth[] {
  return datapath
    .filter(({ name, ok }) => !ok && !shown.has(name))
    .map(({ name, message }) => ({ name: `Services ${name}`, state: "degraded", message }));
}

function kinds(config: AgentConfig): PartHealth[] {
  const nodePort = config["enable-node-port"];
  const range = config["node-port-range"].join("-");
  const clusterIp = config["bpf-lb-external-clusterip"] ? "Enabled (from outside too)" : "Enabled";
  return [
    part("ClusterIP", true, clusterIp),
    part("NodePort", nodePort, `Enabled (Range: ${range})`),
    part("LoadBalancer", nodePort, "Enabled"),
    part("externalIPs", config["enable-external-ips"], "Enabled"),
    part("HostPort", config["enable-host-port"], "Enabled"),
  ].map((kind) => ({ ...kind, name: `Services ${kind.name}` }));
}

function part(name: string, isOn: boolean, message: string): PartHealth {
  return { name, state: isOn ? "ok" : "disabled", message: isOn ? message : "Disabled" };
}

/** A feature as the datapath has it. */
function datapathPart(name: string, feature: string, { datapath }: FeatureFacts): PartHealth {
  const found = datapath.find((each) => each.name === feature);
  if (!found || (found.ok && !found.enabled)) return part(name, false, "");
  const { ok, enabled, message } = found;
  const word = enabled ? "Enabled" : "Disabled";
  return { name, state: ok ? "ok" : "degraded", message: `${word} (${message})` };
}

function coverage(config: AgentConfig): string {
  return config["bpf-lb-sock-hostns-only"] ? "Hostns-only" : "Full";
}

function mode(config: AgentConfig): string {
  const name = { snat: "SNAT", dsr: "DSR", hybrid: "Hybrid" }[config["bpf-lb-mode"]];
  const dispatch = config["bpf-lb-mode"] === "snat" ? "" : ` (${config["bpf-lb-dsr-dispatch"]})`;
  const chosen = config["bpf-lb-mode-annotation"] ? ", services may choose" : "";
  return `${name}${dispatch}${chosen}`;
}

function selection(config: AgentConfig): string {
  const size = config["bpf-lb-maglev-table-size"];
  const name = config["bpf-lb-algorithm"] === "maglev" ? `Maglev (Table Size: ${size})` : "Random";
  return config["bpf-lb-algorithm-annotation"] ? `${name}, services may choose` : name;
}
