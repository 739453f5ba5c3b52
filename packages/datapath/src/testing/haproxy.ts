// A HAProxy that passes every connection on as its client: the plainest transparent proxy there is. One per direction, as
// the agent has them, in a node's namespace and a cgroup of its own.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TestCgroup } from "./cgroup.ts";

export class TestProxy implements AsyncDisposable {
  readonly cgroup: TestCgroup;
  readonly #folder = mkdtempSync(join(tmpdir(), "tsit-haproxy-"));
  readonly #netns: string;
  readonly #port: number;
  #process: ChildProcess | undefined;

  constructor(netns: string, port: number) {
    this.#netns = netns;
    this.#port = port;
    this.cgroup = new TestCgroup(`proxy-${port}-${netns.split("/").at(-1)}`);
  }

  /** Listens when it resolves. */
  async start(): Promise<void> {
    const file = join(this.#folder, "haproxy.cfg");
    writeFileSync(file, configuration(this.#port));
    const script = `echo $$ > ${this.cgroup.path}/cgroup.procs; exec nsenter --net=${this.#netns} haproxy -db -f ${file}`;
    const child = spawn("sh", ["-c", script], { stdio: ["ignore", "ignore", "pipe"] });
    this.#process = child;
    let said = "";
    child.stderr?.on("data", (chunk: Buffer) => (said += chunk));
    const deadline = Date.now() + 5000;
    while (!isListening(child.pid ?? 0, this.#port)) {
      if (child.exitCode !== null || Date.now() > deadline) throw new Error(`haproxy: ${said}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (!child || child.exitCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true });
    this.cgroup[Symbol.dispose]();
  }
}

/** On both families, in the namespace that the process is in (proc(5): state 0A is LISTEN). */
function isListening(pid: number, port: number): boolean {
  const listener = new RegExp(`:${port.toString(16).toUpperCase().padStart(4, "0")} \\S+ 0A `);
  return ["tcp", "tcp6"].every((file) =>
    listener.test(readFileSync(`/proc/${pid}/net/${file}`, "utf8")),
  );
}

function configuration(port: number): string {
  return `
global
  maxconn 1000
  noreuseport
defaults
  mode tcp
  timeout connect 3s
  timeout client 30s
  timeout server 30s
frontend in
  bind 127.0.0.1:${port} transparent
  bind [::1]:${port} v6only transparent
  default_backend out
backend out
  source 0.0.0.0 usesrc clientip
  server original 0.0.0.0:0
`;
}
