// An AWS account beside a lab, simulated: the lab's nodes are its instances. Its calls and interfaces are logged by it, so
// that tests compare what Tsilium says with what the cloud knows.
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import type { LabAccount } from "@tsilium/cloud/testing/main.ts";
import type { SimInterface } from "@tsilium/cloud/testing/world.ts";
import { Lab, root } from "./harness.ts";

const port = 4580;
const keys = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "wJalrXUtnFEMI/EXAMPLEKEY" };

export type EniLab = AsyncDisposable & { readonly lab: Lab; readonly account: EniAccount };

/**
 * A lab in ENI mode and its account. The VPC has two ranges: nodes, and pods that have addresses of a first interface,
 * are in 172.18.0.0/24, other pods in 100.64.1.0/24. The router of both is the fabric.
 */
export async function upEni(options: {
  readonly nodes: number;
  readonly type: string;
  readonly set?: Record<string, string>;
  readonly name?: string;
}): Promise<EniLab> {
  const { nodes, type, set = {}, name = `t${process.pid}` } = options;
  await using parts = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), "tsilium-eni-"));
  parts.defer(() => rmSync(folder, { recursive: true, force: true }));
  const credentials = join(folder, "credentials");
  writeFileSync(
    credentials,
    `[default]\naws_access_key_id = ${keys.accessKeyId}\naws_secret_access_key = ${keys.secretAccessKey}\n`,
    { mode: 0o600 },
  );
  const goingUp = Lab.up({
    nodes,
    name,
    set: {
      ipam: "eni",
      "routing-mode": "native",
      "enable-ipv6": "false",
      "eni-subnet-tags": "use=pods",
      devices: "eth+",
      "ec2-api-endpoint": `http://127.0.0.1:${port}`,
      "aws-region": "eu-west-1",
      "aws-credentials-file": credentials,
      "limit-ipam-api-qps": "100",
      "limit-ipam-api-burst": "100",
      ...set,
    },
  });
  goingUp.catch(() => undefined);
  // The account needs the lab's namespaces, and the lab the account.
  const account = parts.use(await EniAccount.start({ name, nodes, type, goingUp }));
  const lab = await goingUp;
  parts.use(lab);
  const held = parts.move();
  return { lab, account, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

export class EniAccount implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #interfaces = new Map<string, readonly SimInterface[]>();
  /** Of all addresses that a node's interfaces ever had. */
  readonly everHeld = new Map<string, Set<string>>();
  #calls: ((calls: readonly { action: string; outcome: string }[]) => void) | undefined;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async start(options: {
    readonly name: string;
    readonly nodes: number;
    readonly type: string;
    readonly goingUp: Promise<unknown>;
  }): Promise<EniAccount> {
    const { name, nodes, type, goingUp } = options;
    const netns = (what: string) => `/run/netns/tsi-${name}-${what}`;
    const last = netns(`node-${nodes}`);
    let failure: unknown;
    goingUp.catch((error: unknown) => (failure = error));
    // The last node's namespace is made last; its wire comes right after.
    while (!existsSync(last)) {
      if (failure) throw failure;
      await sleep(20);
    }
    await sleep(200);
    const child = spawn(
      "nsenter",
      [
        `--net=${netns("fabric")}`,
        process.execPath,
        join(root, "packages/cloud/src/testing/main.ts"),
      ],
      { stdio: ["pipe", "pipe", "inherit"] },
    );
    const account = new EniAccount(child);
    const setup: LabAccount = {
      account: keys,
      region: "eu-west-1",
      port,
      setup: {
        vpcs: [{ id: "vpc-1", cidrs: ["172.18.0.0/16", "100.64.0.0/16"] }],
        subnets: [
          {
            id: "subnet-nodes",
            vpcId: "vpc-1",
            cidr: "172.18.0.0/24",
            zone: "eu-west-1a",
            tags: {},
          },
          {
            id: "subnet-pods",
            vpcId: "vpc-1",
            cidr: "100.64.1.0/24",
            zone: "eu-west-1a",
            tags: { use: "pods" },
          },
        ],
        groups: [{ id: "sg-nodes", vpcId: "vpc-1", tags: {} }],
        types: [
          { name: "t3.small", interfaces: 3, ipv4: 4, ipv6: 4, hypervisor: "nitro" },
          { name: "m5.xlarge", interfaces: 4, ipv4: 15, ipv6: 15, hypervisor: "nitro" },
        ],
        // As in the real one a write is not seen by reads at once.
        readLagMs: 200,
      },
      instances: Array.from({ length: nodes }, (_, at) => ({
        id: instanceOf(`node-${at + 1}`),
        type,
        subnetId: "subnet-nodes",
        groups: ["sg-nodes"],
        address: `172.18.0.${at + 2}`,
        mac: `02:54:53:49:00:${(at + 2).toString(16).padStart(2, "0")}`,
        netns: netns(`node-${at + 1}`),
      })),
    };
    child.stdin?.write(`${JSON.stringify(setup)}\n`);
    await account.#listen();
    return account;
  }

  /** Interfaces of a node, by device index. */
  interfacesOf(node: string): SimInterface[] {
    return (this.#interfaces.get(instanceOf(node)) ?? []).toSorted(
      (a, b) => (a.attachment?.index ?? 0) - (b.attachment?.index ?? 0),
    );
  }

  /** Addresses of these for pods. */
  addressesOf(node: string): string[] {
    return this.interfacesOf(node).flatMap(({ secondary }) => secondary);
  }

  async calls(): Promise<readonly { action: string; outcome: string }[]> {
    const { promise, resolve } =
      Promise.withResolvers<readonly { action: string; outcome: string }[]>();
    this.#calls = resolve;
    this.#child.stdin?.write("calls\n");
    return promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.stdin?.end();
    await Promise.race([ended, sleep(5_000, undefined, { ref: false })]);
    if (this.#child.exitCode === null) this.#child.kill("SIGKILL");
  }

  #listen(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#child.once("exit", (code) => reject(new Error(`the account ended with ${code}`)));
    if (!this.#child.stdout) throw new Error("no output");
    createInterface({ input: this.#child.stdout }).on("line", (line) => {
      const said = JSON.parse(line) as {
        ready?: string;
        instanceId?: string;
        interfaces?: readonly SimInterface[];
        calls?: readonly { action: string; outcome: string }[];
      };
      if (said.ready) resolve();
      if (said.calls) this.#calls?.(said.calls);
      if (said.instanceId === undefined) return;
      this.#interfaces.set(said.instanceId, said.interfaces ?? []);
      const held = this.everHeld.get(said.instanceId) ?? new Set();
      this.everHeld.set(said.instanceId, held);
      for (const { secondary } of said.interfaces ?? [])
        for (const address of secondary) held.add(address);
    });
    return promise;
  }
}

export function instanceOf(node: string): string {
  return `i-000000000000000${node.slice("node-".length)}`;
}
