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
export async function startServer(netns: string, kind: Kind): Promise<ChildProcess> {
  const args = ["server", kind, ports[kind], "--cpu", cpu];
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

/** Runs the client for `durationMs` and answers what it measured. @throws Error with what the client said */
export async function measure(
  netns: string,
  target: { readonly kind: Kind; readonly address: string; readonly durationMs: number },
): Promise<Measurement> {
  const { kind, address, durationMs } = target;
  const args = ["client", kind, address, ports[kind], "--cpu", cpu, "--ms", String(durationMs)];
  const { stdout } = await withNetns(netns, () => ({
    done: run(binary, args, { timeout: 30_000 }),
  })).done;
  return JSON.parse(stdout) as Measurement;
}
