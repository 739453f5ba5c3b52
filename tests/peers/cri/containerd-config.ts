// containerd's configuration for one that shares nothing with another on the machine.
import { join } from "node:path";
import { imageName } from "./image.ts";

export type ConfigOptions = {
  /** All that it keeps is below. */
  readonly folder: string;
  readonly socket: string;
  readonly cniBinDir: string;
  readonly cniConfDir: string;
};

/** The text of a config.toml (version 2). */
export function containerdConfig(options: ConfigOptions): string {
  const { folder, socket, cniBinDir, cniConfDir } = options;
  const at = (name: string) => JSON.stringify(join(folder, name));
  const unused = ["aufs", "btrfs", "devmapper", "zfs"].map(
    (name) => `io.containerd.snapshotter.v1.${name}`,
  );
  return `version = 2
root = ${at("root")}
state = ${at("state")}
disabled_plugins = ${JSON.stringify(unused)}
[grpc]
address = ${JSON.stringify(socket)}
[ttrpc]
address = ${at("ttrpc.sock")}
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "${imageName}"
# A host that may not lower it refuses every container otherwise.
restrict_oom_score_adj = true
disable_apparmor = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = ${JSON.stringify(cniBinDir)}
conf_dir = ${JSON.stringify(cniConfDir)}
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
Root = ${at("runc")}
`;
}
