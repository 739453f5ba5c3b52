// The API server in a process of its own, with nothing else in the cluster.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { createPki, type Pki } from "@tsilium/apiserver/pki.ts";
import { KubeClient } from "@tsilium/kube";
import { projectRoot } from "@tsilium/syscall";
import { processCpuMs } from "../lab/cpu.ts";
import { residentBytes } from "../pods/memory.ts";

export class BenchServer implements AsyncDisposable {
  readonly client: KubeClient;
  readonly #process: ChildProcess;
  readonly #folder: string;
  readonly #connect: () => KubeClient;
  readonly #clients: KubeClient[] = [];

  private constructor(server: ChildProcess, folder: string, connect: () => KubeClient) {
    this.#process = server;
    this.#folder = folder;
    this.#connect = connect;
    this.client = this.connect();
  }

  /** Resolves when it listens. @throws Error when it ends before */
  static async start(): Promise<BenchServer> {
    const folder = mkdtempSync(join(tmpdir(), "tsi-bench-api-"));
    const pki = await createPki(join(folder, "pki"));
    const main = join(projectRoot(), "dist/js/apiserver.mjs");
    const places = ["--data-dir", join(folder, "data"), "--pki-dir", join(folder, "pki")];
    const args = [main, ...places, "--listen", "127.0.0.1:0", "--no-controllers"];
    const server = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    const first = once(createInterface(server.stdout), "line") as Promise<[string]>;
    const ended = once(server, "exit").then(() => Promise.reject(new Error("it ended at once")));
    const [line] = await Promise.race([first, ended]);
    ended.catch(() => undefined);
    const { port } = JSON.parse(line) as { port: number };
    return new BenchServer(server, folder, await connectTo(port, pki));
  }

  get pid(): number {
    return this.#process.pid as number;
  }

  /** A client with connections of its own; closed with the server. */
  connect(): KubeClient {
    const client = this.#connect();
    this.#clients.push(client);
    return client;
  }

  /** VmRSS. */
  bytes(): number {
    return residentBytes(this.pid);
  }

  cpuMs(): number {
    return processCpuMs(this.pid);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client[Symbol.dispose]();
    const gone = once(this.#process, "exit");
    this.#process.kill("SIGTERM");
    await gone;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

async function connectTo(port: number, pki: Pki): Promise<() => KubeClient> {
  const { cert, key } = await pki.client("bench", ["system:masters"]);
  return () => new KubeClient({ server: `https://127.0.0.1:${port}`, ca: pki.ca, cert, key });
}
