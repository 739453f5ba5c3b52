// HAProxy's process: adopted if it runs already with the configuration that is wanted, started otherwise. It outlives the
// agent. One with another configuration hands its listeners on to the new one (no connection that is being opened is
// lost) and has half a minute to end what it is at.
import { createHash } from "node:crypto";
import {
  chownSync,
  closeSync,
  existsSync,
  globSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import type { Direction } from "@tsilium/policy/model.ts";
import {
  adopt,
  findStarted,
  launch,
  type LaunchOptions,
  type ProxyUser,
  type RunningProcess,
} from "../launch/index.ts";
import {
  accessLogFd,
  configOf,
  rulesMap,
  sharedMaps,
  slotAuthority,
  slotCertificate,
} from "./config.ts";
import { HaproxyError } from "./error.ts";
import { headersScript } from "./headers-script.ts";
import { openLogPipe } from "./log-reader.ts";
import type { Paths } from "./paths.ts";
import { placeholderCertificate } from "./placeholder.ts";
import type { Pool } from "./pool.ts";

export type ProcessOptions = {
  readonly direction: Direction;
  /** `haproxy-path`: an absolute path. */
  readonly command: string;
  readonly cgroup?: string;
  /** undefined: as this process (tests). */
  readonly user?: ProxyUser;
  readonly maxConnections: number;
  /** Of HAProxy. Default 1. */
  readonly threads?: number;
  /** Default: `launch` itself; tests start it in a namespace. */
  readonly launch?: (options: LaunchOptions) => Promise<RunningProcess>;
};

export type Started = { readonly process: RunningProcess; readonly adopted: boolean };

/** @throws HaproxyError, LaunchError */
export async function adoptOrLaunch(
  options: ProcessOptions,
  paths: Paths,
  pool: Pool,
): Promise<Started> {
  const { command, cgroup, user, direction, threads = 1 } = options;
  if (!existsSync(command))
    throw new HaproxyError("not_found", `there is no program ${command} (haproxy-path)`);
  const maxConnections = Math.min(options.maxConnections, mostConnections(pool));
  const config = configOf({ direction, paths, pool, maxConnections, threads });
  const script = headersScript({ specs: paths.map("specs"), moved: paths.map("moved") });
  const file = join(paths.folder, `haproxy-${hashOf(config, script)}.cfg`);
  const common = { pidFile: paths.pidFile, command, ...(cgroup === undefined ? {} : { cgroup }) };
  const running = adopt(common);
  if (running && argumentsOf(running.pid).includes(file))
    return { process: running, adopted: true };

  const old = running ?? findStarted(paths.pidFile);
  for (const stale of globSync(join(paths.folder, "haproxy-*.cfg")))
    if (basename(stale) !== basename(file)) rmSync(stale, { force: true });
  writeFiles({ config, script, file }, paths, pool, user);
  const log = openLogPipe();
  try {
    const process = await (options.launch ?? launch)({
      ...common,
      args: [
        "-db",
        "-f",
        file,
        ...(old ? ["-x", paths.runtimeSocket, "-sf", String(old.pid)] : []),
      ],
      descriptors: new Map([[accessLogFd, log]]),
      logFile: paths.logFile,
      // IP_TRANSPARENT, for listeners and for connections from clients' addresses.
      ...(user ? { user, capabilities: ["CAP_NET_RAW"] as const } : {}),
    });
    return { process, adopted: false };
  } finally {
    closeSync(log);
  }
}

type Files = { readonly config: string; readonly script: string; readonly file: string };

/** What it reads when it starts. Maps are empty: a listener without rules lets nothing through. */
function writeFiles(
  { config, script, file }: Files,
  paths: Paths,
  pool: Pool,
  user: ProxyUser | undefined,
): void {
  const put = (path: string, text: string) => writeFileSync(path, text, { mode: 0o644 });
  for (const port of [...pool.http, ...pool.sni]) put(rulesMap(paths, port), "");
  for (const map of sharedMaps) put(paths.map(map), "");
  const { certificate, key } = placeholderCertificate();
  const slots = [...pool.slots.plain, ...pool.slots.mutual];
  for (const slot of slots) {
    const path = slotCertificate(paths, slot);
    writeFileSync(path, `${certificate}\n${key}\n`, { mode: 0o600 });
    if (user) chownSync(path, user.uid, user.gid);
  }
  for (const slot of pool.slots.mutual) put(slotAuthority(paths, slot), `${certificate}\n`);
  put(paths.script, script);
  put(file, config);
}

/** Each connection through it has two descriptors, and two more where TLS is terminated. */
function mostConnections({ http, sni, slots }: Pool): number {
  const limits = readFileSync("/proc/self/limits", "utf8");
  const [, hard = "1024"] = /^Max open files\s+\S+\s+(\d+)/m.exec(limits) ?? [];
  const listeners = 2 * (http.length + sni.length) + slots.plain.length + slots.mutual.length;
  return Math.max(64, Math.floor((Number(hard) - listeners - 200) / 2));
}

function argumentsOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    return [];
  }
}

function hashOf(...texts: string[]): string {
  const hash = createHash("sha256");
  for (const text of texts) hash.update(text).update("\0");
  return hash.digest("hex").slice(0, 12);
}
