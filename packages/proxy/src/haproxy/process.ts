// HAProxy's process: adopted if it runs already with the configuration that is wanted, started otherwise. It outlives the
// agent. One with another configuration hands its listeners on to the new one (no connection that is being opened is
// lost) and has half a minute to end what it is at.
import { createHash } from "node:crypto";
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  globSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { Direction } from "@tsilium/policy/model.ts";
import {
  adopt,
  findStarted,
  lastWords,
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
import type { MapEntry } from "./maps.ts";
import type { Paths } from "./paths.ts";
import { placeholderCertificate } from "./placeholder.ts";
import { type Pool, poolWithout } from "./pool.ts";

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
  /** How long the headers of a request may take to come. Default 10 s. */
  readonly headersMs?: number;
  /** Default: `launch` itself; tests start it in a namespace. */
  readonly launch?: (options: LaunchOptions) => Promise<RunningProcess>;
};

export type Started = {
  readonly process: RunningProcess;
  readonly adopted: boolean;
  /** Ports of the pool that it does not listen on: others had them when it started. */
  readonly taken: ReadonlySet<number>;
};

export type StartOptions = {
  /** Ports of the pool that others have. */
  readonly taken: ReadonlySet<number>;
  /** What maps of rules have when a process is started. */
  readonly entries: ReadonlyMap<number, readonly MapEntry[]>;
};

/** @throws HaproxyError, LaunchError */
export async function adoptOrLaunch(
  options: ProcessOptions,
  paths: Paths,
  whole: Pool,
  { taken, entries }: StartOptions,
): Promise<Started> {
  const { command, cgroup, user, direction, threads = 1, headersMs = 10_000 } = options;
  if (!existsSync(command))
    throw new HaproxyError("not_found", `there is no program ${command} (haproxy-path)`);
  const script = headersScript({ specs: paths.map("specs"), moved: paths.map("moved") });
  const pool = poolWithout(whole, taken);
  const maxConnections = Math.min(options.maxConnections, mostConnections(whole));
  const about = { direction, paths, maxConnections, threads, headersMs };
  // Named by what is wanted; and by what could not be had.
  const wanted = join(
    paths.folder,
    `haproxy-${hashOf(configOf({ ...about, pool: whole }), script)}`,
  );
  const common = { pidFile: paths.pidFile, command, ...(cgroup === undefined ? {} : { cgroup }) };
  const running = adopt(common);
  const runs = running && argumentsOf(running.pid).find((word) => word.startsWith(wanted));
  if (running && runs !== undefined)
    return { process: running, adopted: true, taken: takenIn(runs, whole) };

  const old = running ?? findStarted(paths.pidFile);
  const file = `${wanted}${taken.size === 0 ? "" : `-${hashOf([...taken].sort().join())}`}.cfg`;
  for (const stale of globSync(join(paths.folder, "haproxy-*.cfg")))
    if (stale !== file) rmSync(stale, { force: true });
  const files = { config: configOf({ ...about, pool }), script, file, entries };
  writeFiles(files, paths, pool, user);
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
    return { process, adopted: false, taken };
  } finally {
    closeSync(log);
  }
}

/** Why a process did not start: ports that others have, and what it said. */
export function failureOf(pid: number, paths: Paths) {
  const lines = lastWords(paths.logFile, 5_000)
    .split("; ")
    .filter((line) => line.startsWith("[ALERT]") && line.includes(`(${pid})`));
  const taken = lines.flatMap((line) => {
    const port = /Address already in use.*:(\d+)\]/.exec(line)?.[1];
    return port === undefined ? [] : [Number(port)];
  });
  const words = lines.slice(-3).join("; ") || lastWords(paths.logFile, 2);
  return { taken, words };
}

/** Ports of the pool that a configuration leaves out. */
function takenIn(file: string, { http, sni }: Pool): ReadonlySet<number> {
  const bound = new Set(
    [...readFileSync(file, "utf8").matchAll(/^  bind 127\.0\.0\.1:(\d+) /gm)].map(([, port]) =>
      Number(port),
    ),
  );
  return new Set([...http, ...sni].filter((port) => !bound.has(port)));
}

type Files = Pick<StartOptions, "entries"> & {
  readonly config: string;
  readonly script: string;
  readonly file: string;
};

/** What it reads when it starts. A listener without rules lets nothing through. */
function writeFiles(
  { config, script, file, entries }: Files,
  paths: Paths,
  pool: Pool,
  user: ProxyUser | undefined,
): void {
  // Rules say what policies say: for the engine to read, and for nobody to write.
  const put = (path: string, text: string) => {
    writeFileSync(path, text, { mode: 0o640 });
    chmodSync(path, 0o640);
    if (user) chownSync(path, 0, user.gid);
  };
  for (const port of [...pool.http, ...pool.sni]) {
    const lines = (entries.get(port) ?? []).map(({ key, value }) => `${key} ${value}\n`);
    put(rulesMap(paths, port), lines.join(""));
  }
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
