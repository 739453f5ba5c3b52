// Drives bench/native/netbench.c inside namespaces, client and server pinned to one CPU.
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { promisify } from "node:util";
import { projectRoot, withNetns } from "@tsilium/syscall";

const run = promisify(execFile);
const binary = join(projectRoot(), "dist/bin/netbench");

export const kinds = ["rr", "crr", "stream", "udp"] as const;
export type Kind = (typeof kinds)[number];

export type Measurement = {
  readonly count: number;
  readonly p50Ns: number;
  readonly p99Ns: number;
  readonly perSecond: number;
  /** Of "stream" only. */
  readonly bytesPerSecond?: number;
};

/** Wake-ups across CPUs cost 100 us in a VM and hide everything else; CPU 0 takes most interrupts. */
const cpu = "1";

/** Where the server of each kind listens. */
export const ports: Readonly<Record<Kind, string>> = {
  rr: "7001",
  crr: "7002",
  stream: "7003",
  udp: "7004",
};

/** Starts the server of one kind in a namespace and waits until it listens. */
export async function startServer(
  netns: string,
  kind: Kind,
  port: string = ports[kind],
): Promise<ChildProcess> {
  const args = ["server", kind, port, "--cpu", cpu];
  const server = withNetns(netns, () =>
    spawn(binary, args, { stdio: ["ignore", "pipe", "inherit"] }),
  );
  await Promise.race([
    once(server.stdout, "data"),
    once(server, "exit").then(() =>
      Promise.reject(new Error(`${kind} server in ${netns} did not start`)),
    ),
  ]);
  return server;
}

export type Target = {
  /** "connect" needs no server. */
  readonly kind: Kind | "connect";
  readonly address: string;
  readonly durationMs: number;
  /** Absent: where servers of the kind listen. */
  readonly port?: string;
  /** cgroup v2 folder that the client runs in; absent: this process' own. */
  readonly cgroup?: string;
};

/** Runs the client for `durationMs` and answers what it measured. @throws Error with what the client said */
export async function measure(netns: string, target: Target): Promise<Measurement> {
  const { kind, address, durationMs, cgroup } = target;
  const { port = kind === "connect" ? ports.udp : ports[kind] } = target;
  const args = ["client", kind, address, port, "--cpu", cpu, "--ms", String(durationMs)];
  const [command, ...rest] = cgroup === undefined ? [binary] : enter(cgroup);
  const { stdout } = await withNetns(netns, () => ({
    done: run(command, [...rest, ...args], { timeout: 30_000 }),
  })).done;
  return JSON.parse(stdout) as Measurement;
}

/** netbench, moved into a cgroup before it starts. */
function enter(cgroup: string): [string, ...string[]] {
  return ["sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"', cgroup, binary];
}
