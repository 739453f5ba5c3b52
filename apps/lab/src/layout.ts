// Every name a lab uses: folders, files, namespaces, cgroups, addresses. All carry the lab's own name, so that
// labs and a real agent never meet, and so that what a crashed lab left behind is found by name.
//
//   <folder>/lab.json kubeconfig pki/ apiserver/ kubelet.sock bpf/ (a bpffs) hubble/ (certificates) relay.sock logs/
//           node-N/ (the agent's run-dir)
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { LabError } from "./error.ts";

/** Where `ip netns` keeps its names, so that its commands work on ours. */
export const namespaceFolder = "/run/netns";

export const fabricAddresses = { ipv4: "172.18.0.1", ipv6: "fc00:18::1" } as const;
/** The fabric's side of the link to the world. */
export const worldGateways = { ipv4: "203.0.113.1", ipv6: "2001:db8:113::1" } as const;
export const worldAddresses = { ipv4: "203.0.113.10", ipv6: "2001:db8:113::10" } as const;
export const apiServerPort = 6443;
export const hubblePort = 4244;
export const relayPort = 4245;
export const clusterDomain = "cluster.local";

/** A node's addresses are the fabric's, plus its number plus one: one octet holds that many. */
export const maximumNodes = 200;

export type NodeLayout = {
  readonly name: string;
  readonly number: number;
  readonly ipv4: string;
  readonly ipv6: string;
  /** The agent's run-dir. */
  readonly folder: string;
  readonly socket: string;
  /** Of the agent's Hubble server. */
  readonly hubbleSocket: string;
  readonly bpfRoot: string;
  readonly kubeconfig: string;
  readonly cniConfDir: string;
  readonly cniBinDir: string;
  /** Files of the node's pods: resolv.conf, hosts, volumes, logs. */
  readonly pods: string;
  readonly netns: string;
  readonly cgroup: string;
};

export type LabLayout = {
  readonly name: string;
  readonly folder: string;
  readonly stateFile: string;
  readonly kubeconfig: string;
  readonly pki: string;
  /** Hubble's certificates and their keys. */
  readonly hubble: string;
  readonly relaySocket: string;
  readonly apiserver: string;
  /** The kubelets', for the API server. */
  readonly kubeletSocket: string;
  readonly bpffs: string;
  readonly logs: string;
  readonly worldZone: string;
  readonly cgroup: string;
  readonly fabricNetns: string;
  readonly worldNetns: string;
  /** Name of the abstract socket whose owner alone may make or remove things of this lab. */
  readonly lock: string;
  node(number: number): NodeLayout;
  /** A pod's namespace. `sandbox`: 12 hexadecimal digits. */
  podNetns(sandbox: string): string;
};

export function labsFolder(): string {
  return "/var/run/tsilium/lab";
}

/** @throws LabError "bad_name" */
export function labLayout(name: string): LabLayout {
  if (!/^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/.test(name)) {
    throw new LabError(
      "bad_name",
      `"${name}" cannot be a lab's name`,
      "Use 1 to 32 lower-case letters, digits and dashes.",
    );
  }
  const folder = join(labsFolder(), name);
  const cgroup = join(cgroupRoot(), `tsilium-lab-${name}`);
  const netns = (what: string) => join(namespaceFolder, `tsi-${name}-${what}`);
  return {
    name,
    folder,
    stateFile: join(folder, "lab.json"),
    kubeconfig: join(folder, "kubeconfig"),
    pki: join(folder, "pki"),
    hubble: join(folder, "hubble"),
    relaySocket: join(folder, "relay.sock"),
    apiserver: join(folder, "apiserver"),
    kubeletSocket: join(folder, "kubelet.sock"),
    bpffs: join(folder, "bpf"),
    logs: join(folder, "logs"),
    worldZone: join(folder, "world-zone.json"),
    cgroup,
    fabricNetns: netns("fabric"),
    worldNetns: netns("world"),
    lock: `@tsilium-lab/${name}`,
    podNetns: (sandbox) => netns(`pod-${sandbox}`),
    node: (number) => {
      const node = `node-${number}`;
      return {
        name: node,
        number,
        ipv4: `172.18.0.${number + 1}`,
        ipv6: `fc00:18::${(number + 1).toString(16)}`,
        folder: join(folder, node),
        socket: join(folder, node, "tsilium.sock"),
        hubbleSocket: join(folder, node, "hubble.sock"),
        bpfRoot: join(folder, "bpf", node),
        kubeconfig: join(folder, node, "kubeconfig"),
        cniConfDir: join(folder, node, "cni/net.d"),
        cniBinDir: join(folder, node, "cni/bin"),
        pods: join(folder, node, "pods"),
        netns: netns(node),
        cgroup: join(cgroup, node),
      };
    },
  };
}

/** Whether a file in `namespaceFolder` is a namespace of this lab, and not of one whose name begins alike. */
export function isNamespaceOf(lab: string, file: string): boolean {
  const rest = file.startsWith(`tsi-${lab}-`) ? file.slice(`tsi-${lab}-`.length) : "";
  return /^(fabric|world|node-\d+|pod-[0-9a-f]{12})$/.test(rest);
}

let foundCgroupRoot: string | undefined;

/**
 * Where the cgroup v2 hierarchy is mounted: /sys/fs/cgroup, or beside version 1.
 * @throws LabError "missing_kernel_feature"
 */
export function cgroupRoot(): string {
  foundCgroupRoot ??= findCgroupRoot(readFileSync("/proc/self/mounts", "utf8"));
  return foundCgroupRoot;
}

function findCgroupRoot(mounts: string): string {
  const line = mounts.split("\n").find((text) => text.split(" ")[2] === "cgroup2");
  if (line) return line.split(" ")[1] as string;
  throw new LabError(
    "missing_kernel_feature",
    "no cgroup v2 hierarchy is mounted",
    "Mount it: mount -t cgroup2 none /sys/fs/cgroup/unified",
  );
}
