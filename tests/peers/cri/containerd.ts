// A containerd of the test's own: its configuration, state, root and socket are in a folder of its own, and it runs in a
// node's network namespace and cgroup, as on a host of its own.
//
//   test --CRI over gRPC--> containerd --exec--> shim --runc--> containers
//                               \--CNI--> the plugins of the node's installed conflist
import { execFile, spawn, type ChildProcess } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { basename, delimiter, join, relative } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { type Client, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { cgroupRoot } from "../../../apps/lab/src/layout.ts";
import { RuntimeService } from "./gen/runtime/v1/api_pb.ts";
import { containerdConfig } from "./containerd-config.ts";
import { ociImage } from "./image.ts";
import { removeLeftovers } from "./leftovers.ts";

const root = join(import.meta.dirname, "../../..");
const debian = join(root, ".toolchain/debian");
const programs = [join(debian, "usr/bin"), join(debian, "usr/sbin")].join(delimiter);

export type Cri = Client<typeof RuntimeService>;

export type ContainerdPlace = {
  /** Path of the node's network namespace. */
  readonly netns: string;
  /** The node's folder in the cgroup v2 hierarchy. */
  readonly cgroup: string;
  /** Where its plugins are: what the configuration names, and `loopback`, which containerd always runs as well. */
  readonly cniBinDir: string;
  readonly cniConfDir: string;
};

/** Whether Debian's containerd is unpacked here (tools/setup.sh --tests). */
export const hasContainerd = existsSync(join(debian, "usr/bin/containerd"));

/** Debian's own CNI plugins: bridge, host-local, loopback, ... */
export const referencePlugins = join(debian, "usr/lib/cni");

export class Containerd {
  readonly folder = mkdtempSync(join(tmpdir(), "tsilium-cri-"));
  readonly #place: ContainerdPlace;
  /** What containers are to be in, below the root of every hierarchy: in the node's folder. */
  readonly cgroupParent: string;
  #process: ChildProcess | undefined;

  private constructor(place: ContainerdPlace) {
    this.#place = place;
    const { cgroup } = place;
    this.cgroupParent = join("/", relative(cgroupRoot(), cgroup), basename(this.folder));
  }

  /** Starts it and gives it the image. `await using` ends all it ever started. */
  static async start(place: ContainerdPlace): Promise<Containerd> {
    const containerd = new Containerd(place);
    try {
      containerd.#configure();
      await containerd.run();
      await containerd.#importImage();
    } catch (error) {
      await containerd[Symbol.asyncDispose]();
      throw error;
    }
    return containerd;
  }

  /** A client; each of its calls fails when nothing is done within its `timeoutMs` (two minutes). */
  cri(): Cri {
    const transport = createGrpcTransport({
      // What containerd's gRPC takes for an authority; a path is none.
      baseUrl: "http://localhost",
      nodeOptions: { createConnection: () => connect(this.socket) },
      defaultTimeoutMs: 120_000,
    });
    return createClient(RuntimeService, transport);
  }

  /** Starts the program, and waits until it answers. @throws Error with the log's end when it does not */
  async run(): Promise<void> {
    const { netns, cgroup } = this.#place;
    const log = openSync(this.log, "a");
    const command = [join(debian, "usr/bin/containerd"), "--config", this.#config];
    const runner = join(root, "dist/bin/lab-runner");
    const place = ["--die-with-parent", "--netns", netns, "--cgroup", join(cgroup, "host")];
    this.#process = spawn(runner, ["run", ...place, "--", ...command], {
      env: { PATH: `${programs}${delimiter}${process.env["PATH"]}` },
      stdio: ["ignore", log, log],
    });
    closeSync(log);
    await this.#untilServing();
  }

  /** Ends containerd alone, at once: shims and containers go on, as on a host whose runtime is restarted. */
  async kill(): Promise<void> {
    const child = this.#process;
    if (!child || !this.#isRunning) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
  }

  get log(): string {
    return join(this.folder, "log");
  }

  get #isRunning(): boolean {
    return this.#process?.exitCode === null && this.#process.signalCode === null;
  }

  get #config(): string {
    return join(this.folder, "config.toml");
  }

  /** Of its gRPC services, CRI among them. */
  get socket(): string {
    return join(this.folder, "containerd.sock");
  }

  #configure(): void {
    const { folder, socket } = this;
    writeFileSync(this.#config, containerdConfig({ ...this.#place, folder, socket }));
  }

  async #untilServing(): Promise<void> {
    const cri = this.cri();
    for (
      const deadline = performance.now() + 20_000;
      performance.now() < deadline;
      await sleep(20)
    ) {
      if (!this.#isRunning) break;
      try {
        await cri.version({});
        return;
      } catch {
        // Not yet.
      }
    }
    throw new Error(`containerd does not serve: ${readFileSync(this.log, "utf8").slice(-2000)}`);
  }

  async #importImage(): Promise<void> {
    const file = join(this.folder, "image.tar");
    writeFileSync(
      file,
      ociImage({ busybox: join(debian, "bin/busybox"), echo: join(root, "dist/bin/echo") }),
    );
    await this.ctr("images", "import", file);
    rmSync(file);
  }

  /** Containerd's own command, in the namespace that CRI uses. @throws Error with what it said */
  async ctr(...args: readonly string[]): Promise<string> {
    const command = join(debian, "usr/bin/ctr");
    const { stdout } = await promisify(execFile)(command, [
      "--address",
      this.socket,
      "--namespace",
      "k8s.io",
      ...args,
    ]);
    return stdout;
  }

  /** Ends every sandbox, then containerd, and takes away what it leaves: mounts, cgroups, its folder. */
  async [Symbol.asyncDispose](): Promise<void> {
    // One that was killed knows its sandboxes and their namespaces when it is back.
    if (!this.#isRunning) await this.run().catch(() => undefined);
    await this.#removeSandboxes().catch(() => undefined);
    await this.kill();
    await removeLeftovers(this);
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #removeSandboxes(): Promise<void> {
    const cri = this.cri();
    const { items } = await cri.listPodSandbox({});
    await Promise.all(
      items.map(async ({ id: podSandboxId }) => {
        await cri.stopPodSandbox({ podSandboxId });
        await cri.removePodSandbox({ podSandboxId });
      }),
    );
  }
}
