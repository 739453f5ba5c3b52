// One node of a test cluster: a namespace with an agent in it, and the plugin as a runtime would run it.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, openSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { projectRoot } from "@tsilium/syscall";
import type { Netns } from "@tsilium/testkit";

const binaries = join(projectRoot(), "dist/bin");

export type CniOptions = {
  readonly netns?: string;
  readonly ifName?: string;
  readonly args?: string;
  /** In place of the configuration. */
  readonly stdin?: string;
  readonly cniVersion?: string;
  readonly name?: string;
  readonly prevResult?: unknown;
  readonly ipam?: unknown;
  readonly "chaining-mode"?: string;
  /** CNI_PATH; default: where our plugin is. */
  readonly path?: string;
  readonly "cni.dev/valid-attachments"?: unknown;
};

export type CniAnswer = { readonly status: number | null; readonly output: string };

/** One node: its namespace, its folders and its agent. */
export class TestNode {
  readonly name: string;
  readonly netns: Netns;
  readonly runDir: string;
  readonly #args: readonly string[];
  readonly #log: number;
  #agent: ChildProcess | undefined;

  constructor(options: {
    name: string;
    netns: Netns;
    folder: string;
    agent: string;
    args: readonly string[];
  }) {
    const { name, netns, folder, agent, args } = options;
    this.name = name;
    this.netns = netns;
    this.runDir = join(folder, name);
    mkdirSync(this.runDir, { recursive: true });
    this.#log = openSync(join(folder, `${name}.log`), "a");
    this.#args = [agent, ...args, "--k8s-node-name", name, "--run-dir", this.runDir];
  }

  get pid(): number {
    return this.#agent?.pid ?? 0;
  }

  /** Starts the agent; resolves when it serves CNI, or when it has ended. */
  async start(): Promise<void> {
    const agent = this.netns.spawn(process.execPath, this.#args, {
      stdio: ["ignore", this.#log, this.#log],
    });
    this.#agent = agent;
    while (agent.exitCode === null && !(await this.isReady())) await sleep(25);
  }

  async isReady(): Promise<boolean> {
    const { status } = await this.cni("STATUS", "none", { cniVersion: "1.1.0" });
    return status === 0;
  }

  /** Ends the agent and waits until it is gone. */
  async stop(signal: NodeJS.Signals): Promise<void> {
    const agent = this.#agent;
    if (!agent || agent.exitCode !== null || agent.signalCode !== null) return;
    agent.kill(signal);
    await once(agent, "exit");
  }

  /** Runs the plugin as a runtime would. */
  async cni(command: string, containerId: string, options: CniOptions = {}): Promise<CniAnswer> {
    const { netns = "", ifName = "eth0", args = "", path = binaries, stdin, ...config } = options;
    const plugin = this.netns.run(() =>
      spawn(join(binaries, "tsilium-cni"), [], {
        env: {
          CNI_COMMAND: command,
          CNI_CONTAINERID: containerId,
          CNI_NETNS: netns,
          CNI_IFNAME: ifName,
          CNI_ARGS: args,
          CNI_PATH: path,
        },
        stdio: ["pipe", "pipe", "inherit"],
      }),
    );
    const netconf = {
      cniVersion: "1.1.0",
      name: "tsilium",
      type: "tsilium-cni",
      agentSocket: join(this.runDir, "tsilium.sock"),
      deleteQueue: join(this.runDir, "deleteQueue"),
      ...config,
    };
    let output = "";
    plugin.stdout.setEncoding("utf8").on("data", (chunk: string) => (output += chunk));
    plugin.stdin.on("error", () => undefined).end(stdin ?? JSON.stringify(netconf));
    const [status] = (await once(plugin, "close")) as [number | null];
    return { status, output };
  }

  /** GETs a stream of lines from the agent's socket; asked for with the first `next`. */
  stream(path: string): AsyncGenerator<string, undefined> {
    return linesOf(join(this.runDir, "tsilium.sock"), path);
  }

  /** GETs from the agent's socket: the status and the parsed body. */
  get<T>(path: string): Promise<{ status: number; body: T }> {
    return new Promise((resolve, reject) => {
      request({ socketPath: join(this.runDir, "tsilium.sock"), path, agent: false }, (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
        response.on("end", () =>
          resolve({
            status: response.statusCode ?? 0,
            body: (text === "" ? undefined : JSON.parse(text)) as T,
          }),
        );
      })
        .on("error", reject)
        .end();
    });
  }
}

/** Lines of a chunked answer. */
async function* linesOf(socketPath: string, path: string): AsyncGenerator<string, undefined> {
  const asked = request({ socketPath, path, agent: false }).end();
  const [response] = (await once(asked, "response")) as [IncomingMessage];
  let pending = "";
  for await (const chunk of response.setEncoding("utf8") as AsyncIterable<string>) {
    const lines = (pending + chunk).split("\n");
    pending = lines.pop() as string;
    yield* lines;
  }
}
