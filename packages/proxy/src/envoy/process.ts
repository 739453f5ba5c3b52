// Envoy's process: found where it is installed, adopted if it runs already, started otherwise. It outlives the agent.
import { createHash } from "node:crypto";
import { accessSync, constants, globSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";
import type { Direction } from "@tsilium/policy/model.ts";
import {
  adopt,
  findStarted,
  launch,
  proxyFolder,
  type ProxyUser,
  type RunningProcess,
  stop,
} from "../launch/index.ts";
import { EnvoyError } from "./error.ts";

export type ProcessOptions = {
  readonly direction: Direction;
  /** `envoy-path`: an absolute path, or a name to look for in PATH. */
  readonly command: string;
  readonly runDir: string;
  readonly cgroup?: string;
  /** undefined: as this process (tests). */
  readonly user?: ProxyUser;
};

/** Paths of one direction's Envoy, in a folder that only root writes to. */
export function pathsOf({ runDir, direction }: Pick<ProcessOptions, "runDir" | "direction">) {
  const folder = proxyFolder(runDir);
  const base = join(folder, `envoy-${direction}`);
  return {
    base,
    socket: `${base}.sock`,
    logFile: `${base}.log`,
    // Of whatever engine there is: one that is another program now is ended by it.
    pidFile: join(folder, `engine-${direction}.pid`),
  } as const;
}

/** Each connection takes a descriptor here and one to the server; listeners and Envoy itself take some. */
export function mostConnections(): number {
  const limits = readFileSync("/proc/self/limits", "utf8");
  const hard = Number(/^Max open files +\S+ +(\d+)/m.exec(limits)?.[1] ?? 1_048_576);
  return Math.max(64, Math.floor((hard - 2_048) / 2));
}

/** @throws EnvoyError "failed" */
export function findEnvoy(command: string): string {
  const candidates = isAbsolute(command)
    ? [command]
    : (process.env.PATH ?? "").split(delimiter).map((folder) => join(folder, command));
  const found = candidates.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
  if (found === undefined || !isAbsolute(found)) {
    throw new EnvoyError(
      "failed",
      `l7-engine is envoy, but there is no program ${command} (envoy-path)`,
    );
  }
  return found;
}

/**
 * One that runs with this very bootstrap is adopted; any other of ours is ended first.
 * @throws EnvoyError, LaunchError
 */
export async function adoptOrLaunch(
  options: ProcessOptions,
  bootstrap: string,
): Promise<{ readonly process: RunningProcess; readonly adopted: boolean }> {
  const command = findEnvoy(options.command);
  const { base, pidFile, logFile } = pathsOf(options);
  // Named by content, so that the arguments say with what it was started.
  const hash = createHash("sha256").update(bootstrap).digest("hex").slice(0, 12);
  const config = `${base}-${hash}.json`;
  const args = [
    "-c",
    config,
    "--disable-hot-restart",
    "--log-level",
    "warning",
    // Seconds that the connections of a listener have which is taken away.
    "--drain-time-s",
    "5",
  ];
  const { cgroup, user } = options;
  const running = adopt({ pidFile, command, args, ...(cgroup === undefined ? {} : { cgroup }) });
  if (running) return { process: running, adopted: true };
  const other = findStarted(pidFile);
  if (other) await stop(other);
  for (const stale of globSync(`${base}-*.json`)) rmSync(stale, { force: true });
  // Read by Envoy's user; there are no secrets in it.
  writeFileSync(config, bootstrap, { mode: 0o644 });
  const process = await launch({
    command,
    args,
    logFile,
    pidFile,
    ...(cgroup === undefined ? {} : { cgroup }),
    // For IP_TRANSPARENT.
    ...(user ? { user, capabilities: ["CAP_NET_RAW"] } : {}),
  });
  return { process, adopted: false };
}
