// Labs as tests drive them: through the same commands as a user. A lab's name carries the test's pid, so
// that runs side by side never meet, and it goes down with the test, also when the test fails.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

export const root = join(import.meta.dirname, "../..");
export const soak = process.env["TSILIUM_SOAK"] === "1";

export type Result = { readonly status: number; readonly stdout: string; readonly stderr: string };
export type RunOptions = {
  readonly input?: string;
  readonly timeoutMs?: number;
  readonly env?: Record<string, string>;
};

export type PodObject = {
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly spec: { readonly nodeName: string; readonly hostNetwork?: boolean };
  readonly status: { readonly phase: string; readonly podIPs?: readonly { readonly ip: string }[] };
};

/** Runs a program to its end. Never throws for an exit status: look at it. */
export function run(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Result> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: root,
      env: { ...process.env, ...options.env },
      timeout: options.timeoutMs ?? 120_000,
      killSignal: "SIGKILL",
    });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    child.on("error", reject);
    child.on("close", (code, signal) =>
      resolve({
        status: code ?? 128,
        stdout,
        stderr: signal ? `${stderr}killed by ${signal}` : stderr,
      }),
    );
    // A program that does not read its input is no failure of ours.
    child.stdin.on("error", () => {});
    child.stdin.end(options.input ?? "");
  });
}

/** A running lab. `await using lab = await Lab.up(...)` takes it down at the end of the block. */
export class Lab {
  readonly name: string;

  private constructor(name: string) {
    this.name = name;
  }

  static async up(
    options: { nodes?: number; set?: Record<string, string>; name?: string } = {},
  ): Promise<Lab> {
    const lab = new Lab(options.name ?? `t${process.pid}`);
    const settings = Object.entries(options.set ?? {}).flatMap(([key, value]) => [
      "--set",
      `${key}=${value}`,
    ]);
    const up = await lab.lab("up", "--nodes", String(options.nodes ?? 2), ...settings, "--wait");
    if (up.status !== 0) {
      await lab.down();
      assert.fail(`lab up: ${up.stderr}${up.stdout}`);
    }
    return lab;
  }

  /** `tsilium ARGS...` in this lab's context. */
  tsilium(args: readonly string[], options: RunOptions = {}): Promise<Result> {
    return run(join(root, "tsilium"), args, {
      ...options,
      env: { TSILIUM_LAB: this.name, ...options.env },
    });
  }

  /** `tsilium lab WORDS... --name <this lab>`. */
  lab(word: string, ...rest: string[]): Promise<Result> {
    return this.tsilium(["lab", word, "--name", this.name, ...rest]);
  }

  /** Runs `tsilium ARGS -o json` and parses; a failure fails the test. */
  async json<T>(...args: string[]): Promise<T> {
    const result = await this.tsilium([...args, "-o", "json"]);
    assert.equal(result.status, 0, `tsilium ${args.join(" ")}: ${result.stderr}`);
    return JSON.parse(result.stdout) as T;
  }

  async apply(manifest: string): Promise<void> {
    const result = await this.tsilium(["lab", "apply", "--name", this.name, "-f", "-"], {
      input: manifest,
    });
    assert.equal(result.status, 0, `apply: ${result.stderr}`);
  }

  async wait(namespace: string, timeout = "60s"): Promise<void> {
    const result = await this.lab("wait", "-n", namespace, "--for", "ready", "--timeout", timeout);
    assert.equal(result.status, 0, `wait: ${result.stderr}${result.stdout}`);
  }

  async pods(namespace: string): Promise<PodObject[]> {
    const list = await this.json<{ items: PodObject[] }>(
      "lab",
      "get",
      "pods",
      "--name",
      this.name,
      "-n",
      namespace,
    );
    return list.items;
  }

  exec(
    namespace: string,
    pod: string,
    command: readonly string[],
    options: RunOptions = {},
  ): Promise<Result> {
    return this.tsilium(
      ["lab", "exec", "--name", this.name, "-n", namespace, pod, "--", ...command],
      options,
    );
  }

  nodeExec(node: string, command: readonly string[], options: RunOptions = {}): Promise<Result> {
    return this.tsilium(
      ["lab", "node", "exec", "--name", this.name, node, "--", ...command],
      options,
    );
  }

  worldExec(command: readonly string[], options: RunOptions = {}): Promise<Result> {
    return this.tsilium(["lab", "world", "exec", "--name", this.name, "--", ...command], options);
  }

  async down(): Promise<Result> {
    return this.lab("down");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const result = await this.down();
    assert.equal(result.status, 0, `lab down: ${result.stderr}`);
  }
}

/** A process of the lab ("apiserver", "operator", "agent/node-1", ...), as `tsilium lab status` knows it. */
export async function processPid(lab: Lab, name: string): Promise<number> {
  const status = await lab.json<{ processes: { name: string; pid: number }[] }>(
    "lab",
    "status",
    "--name",
    lab.name,
  );
  const found = status.processes.find((row) => row.name === name);
  assert.ok(found, `lab status names no ${name}`);
  return found.pid;
}

/**
 * Ends a process of the lab, does something while it is away, and waits until `returned` is true of the one that
 * the lab starts in its place.
 */
export async function killProcess(
  lab: Lab,
  name: string,
  options: {
    /** SIGKILL unless told otherwise. */
    signal?: NodeJS.Signals;
    meanwhile?: () => Promise<void>;
    returned: () => Promise<boolean>;
  },
): Promise<void> {
  const pid = await processPid(lab, name);
  process.kill(pid, options.signal ?? "SIGKILL");
  await options.meanwhile?.();
  await until(
    `${name} is back`,
    async () => (await options.returned()) && (await processPid(lab, name)) !== pid,
  );
}

/** On a machine whose processors are busy with the test's own packets, an agent with a thousand policies takes a while. */
const patienceMs = 60_000;

/** Waits for a condition, for a minute at most. */
export async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + patienceMs; Date.now() < deadline; await sleep(100))
    if (await condition()) return;
  assert.fail(`after ${patienceMs / 1000} s it is still not so that ${what}`);
}

/** Whether a node's agent says that all is well with it. */
export async function isAgentWell(lab: Lab, node: string): Promise<boolean> {
  const status = await lab.tsilium(["--node", node, "status", "--brief"]);
  return status.stdout === "ok\n";
}

/** An echo pod's manifest, pinned to a node. */
export function echoPod(options: {
  name: string;
  namespace: string;
  node: string;
  hostNetwork?: boolean;
  port?: number;
  labels?: Record<string, string>;
}): string {
  const port = options.port ?? 8080;
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: options.name,
      namespace: options.namespace,
      labels: { app: "echo", ...options.labels },
    },
    spec: {
      nodeName: options.node,
      hostNetwork: options.hostNetwork,
      containers: [
        {
          name: "echo",
          image: "tsilium.io/echo",
          ports: [
            { containerPort: port, protocol: "TCP" },
            { containerPort: port, protocol: "UDP" },
          ],
        },
      ],
    },
  });
}

export function namespaceManifest(name: string): string {
  return JSON.stringify({ apiVersion: "v1", kind: "Namespace", metadata: { name } });
}

/** Several manifests in one stream. */
export function manifests(...parts: readonly string[]): string {
  return parts.join("\n---\n");
}
