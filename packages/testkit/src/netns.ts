// A named network namespace that lives as long as this object: /var/run/netns/NAME, as ip-netns(8) has it,
// made without forking anything. Its processes die with it.
import { spawn, type ChildProcess, type SpawnOptions } from "node:child_process";
import { closeSync, mkdirSync, openSync, rmSync, writeFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { Address } from "@tsilium/net";
import { Rtnl } from "@tsilium/netlink";
import {
  CLONE_NEWNET,
  mount,
  MNT_DETACH,
  MS_BIND,
  umount2,
  unshare,
  withNetns,
} from "@tsilium/syscall";

const folder = "/var/run/netns";

export type ExecResult = {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
};

export type ExecOptions = {
  readonly input?: string;
  /** Killed after so long; default 10 s. */
  readonly timeoutMs?: number;
};

/** A network namespace under test, with its own rtnetlink socket; loopback is up. */
export class Netns implements Disposable {
  readonly name: string;
  readonly path: string;
  readonly rtnl: Rtnl;
  readonly #children = new Set<ChildProcess>();

  private constructor(name: string) {
    this.name = name;
    this.path = `${folder}/${name}`;
    this.rtnl = Rtnl.open({ netns: this.path });
  }

  /** Makes the namespace. @throws SyscallError EPERM without root */
  static create(name: string): Netns {
    const path = `${folder}/${name}`;
    mkdirSync(folder, { recursive: true });
    closeSync(openSync(path, "wx"));
    try {
      // Entering our own namespace changes nothing, and coming back from it undoes the unshare.
      withNetns("/proc/thread-self/ns/net", () => {
        unshare(CLONE_NEWNET);
        mount({ source: "/proc/thread-self/ns/net", target: path, type: null, flags: MS_BIND });
      });
      const netns = new Netns(name);
      netns.rtnl.links.set("lo", { up: true });
      return netns;
    } catch (error) {
      removeNetns(name);
      throw error;
    }
  }

  /** Runs something synchronous with this thread inside. */
  run<T>(action: () => T): T {
    return withNetns(this.path, action);
  }

  /** Writes a setting below /proc/sys/net: "ipv4/ip_forward". */
  sysctl(name: string, value: string | number): void {
    this.run(() => writeFileSync(`/proc/sys/net/${name}`, String(value)));
  }

  /** Starts a process inside; it is killed with the namespace if it still runs. */
  spawn(command: string, args: readonly string[] = [], options: SpawnOptions = {}): ChildProcess {
    const child = this.run(() => spawn(command, args, options));
    this.#children.add(child);
    child.once("exit", () => this.#children.delete(child));
    return child;
  }

  /** Runs a command inside to its end. @throws Error when it cannot be started */
  async exec(
    command: string,
    args: readonly string[] = [],
    options: ExecOptions = {},
  ): Promise<ExecResult> {
    const { input = "", timeoutMs = 10_000 } = options;
    const child = this.spawn(command, args, {
      stdio: "pipe",
      timeout: timeoutMs,
      killSignal: "SIGKILL",
    });
    const exited = new Promise<number | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", resolve);
    });
    // A command that does not read its input closes the pipe: not our trouble.
    child.stdin?.on("error", () => {});
    child.stdin?.end(input);
    const [status, stdout, stderr] = await Promise.all([
      exited,
      text(child.stdout as NonNullable<typeof child.stdout>),
      text(child.stderr as NonNullable<typeof child.stderr>),
    ]);
    return { status, stdout, stderr };
  }

  /** Adds "10.0.0.1/24" or "fd00::1/64" to a device, usable at once. */
  addAddress(device: string, addressWithLength: string): void {
    const [address = "", length] = addressWithLength.split("/");
    this.rtnl.addresses.add({
      device,
      address: Address.parse(address),
      ...(length === undefined ? {} : { length: Number(length) }),
      noDad: true,
    });
  }

  /** Kills what runs inside and removes the namespace; links in it go with it. */
  [Symbol.dispose](): void {
    for (const child of this.#children) child.kill("SIGKILL");
    this.rtnl[Symbol.dispose]();
    removeNetns(this.name);
  }
}

/** Removes a named namespace; fine when it is gone. */
export function removeNetns(name: string): void {
  umount2(`${folder}/${name}`, MNT_DETACH);
  rmSync(`${folder}/${name}`, { force: true });
}
