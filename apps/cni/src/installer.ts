// Puts the CNI plugin and its configuration where the container runtime looks. The configuration appears
// last and only when the agent is ready, since a runtime takes the node for ready as soon as it is there.
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  watch,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";

/** Cilium's own name is 05-cilium.conflist: the lowest number wins with every runtime. */
export const conflistName = "05-tsilium.conflist";
const pluginName = "tsilium-cni";
/** containerd makes no pod without it, and hosts without the reference plugins have none. */
const loopbackName = "loopback";
const backupSuffix = ".tsilium_bak";

/** CNI specification versions the plugin speaks; the last is what the conflist asks for. */
const conflistVersion = "1.0.0";

export type CniInstallation = {
  /** The built plugin, dist/bin/tsilium-cni. */
  readonly plugin: string;
  /** Where the runtime finds plugins, /opt/cni/bin on most hosts. */
  readonly binDir: string;
  /** Where the runtime finds configurations, /etc/cni/net.d on most hosts. */
  readonly confDir: string;
  /** The agent's unix socket. */
  readonly agentSocket: string;
  /** Folder in which the plugin keeps DELs while the agent is away. */
  readonly deleteQueue: string;
  /** Rename other configurations to `*.tsilium_bak`, so that no runtime takes one of them (cni-exclusive). */
  readonly exclusive: boolean;
};

/** The conflist's text for an installation (CNI specification 1.0.0, section 1). */
export function conflist(
  installation: Pick<CniInstallation, "agentSocket" | "deleteQueue">,
): string {
  const plugin = {
    type: pluginName,
    agentSocket: installation.agentSocket,
    deleteQueue: installation.deleteQueue,
  };
  return `${JSON.stringify({ cniVersion: conflistVersion, name: "tsilium", plugins: [plugin] }, null, 2)}\n`;
}

/**
 * Installs or updates; idempotent, every file appears whole (written beside and renamed).
 * @throws NodeJS.ErrnoException when a folder cannot be made or written.
 */
export function installCni(installation: CniInstallation): void {
  installPrograms(installation);
  mkdirSync(installation.confDir, { recursive: true });
  if (installation.exclusive) setOthersAside(installation.confDir);
  writeConflist(installation);
}

/** The plugin alone, for a configuration that somebody else writes. @throws as installCni */
export function installPrograms(installation: Pick<CniInstallation, "plugin" | "binDir">): void {
  mkdirSync(installation.binDir, { recursive: true });
  replaceFile(
    join(installation.binDir, pluginName),
    (draft) => copyFileSync(installation.plugin, draft),
    0o755,
  );
  installLoopback(installation);
}

/**
 * Keeps an installation in place until the signal fires: puts the conflist back when it is removed or
 * edited and, where exclusive, sets aside configurations that appear.
 */
export function keepCniInstalled(installation: CniInstallation, signal: AbortSignal): void {
  const watcher = watch(installation.confDir, { signal, persistent: false }, () => {
    if (installation.exclusive) setOthersAside(installation.confDir);
    if (readOr(join(installation.confDir, conflistName), "") !== conflist(installation))
      writeConflist(installation);
  });
  // The folder itself may go away; the next start of the agent makes it again.
  watcher.on("error", () => watcher.close());
}

/** Takes the configuration away and puts back what was set aside. The plugin stays: running pods need its DEL. */
export function uninstallCni(confDir: string): void {
  rmSync(join(confDir, conflistName), { force: true });
  for (const name of readdirSync(confDir).filter((entry) => entry.endsWith(backupSuffix))) {
    renameSync(join(confDir, name), join(confDir, name.slice(0, -backupSuffix.length)));
  }
}

/** Ours, which is built beside the plugin, where the host has none: one that is there is somebody else's. */
function installLoopback({ plugin, binDir }: Pick<CniInstallation, "plugin" | "binDir">): void {
  const ours = join(dirname(plugin), loopbackName);
  const target = join(binDir, loopbackName);
  if (!existsSync(ours) || existsSync(target)) return;
  replaceFile(target, (draft) => copyFileSync(ours, draft), 0o755);
}

function writeConflist(installation: CniInstallation): void {
  const text = conflist(installation);
  replaceFile(
    join(installation.confDir, conflistName),
    (draft) => writeFileSync(draft, text),
    0o600,
  );
}

function replaceFile(path: string, write: (draft: string) => void, mode: number): void {
  const draft = `${path}.draft-${process.pid}`;
  write(draft);
  chmodSync(draft, mode);
  // Runtimes read the folder while we write: they must see the old file or the new one.
  renameSync(draft, path);
}

function setOthersAside(confDir: string): void {
  const others = readdirSync(confDir).filter(
    (name) => /\.(conf|conflist|json)$/.test(name) && name !== conflistName,
  );
  for (const name of others)
    renameSync(join(confDir, name), join(confDir, `${name}${backupSuffix}`));
}

function readOr(path: string, fallback: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return fallback;
    throw error;
  }
}
