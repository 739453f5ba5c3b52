// A container runtime for tests: pods are namespaces that it attaches and detaches through the plugin.
import assert from "node:assert/strict";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Netns } from "@tsilium/testkit";
import type { EndpointView } from "../rest/views.ts";
import { type ClusterOptions, podArgs, TestCluster } from "./cluster.ts";
import type { CniOptions, TestNode } from "./node.ts";

export type TestPod = {
  /** Container ID. */
  readonly id: string;
  /** Of the Pod. */
  readonly name: string;
  readonly netns: Netns;
  readonly options: CniOptions;
};

export class Runtime implements AsyncDisposable {
  readonly cluster: TestCluster;
  readonly node: TestNode;
  #pods = 0;

  private constructor(cluster: TestCluster) {
    this.cluster = cluster;
    this.node = cluster.node;
  }

  /** A cluster of one node, whose agent lets new identities count almost at once. */
  static async up(
    options: Pick<ClusterOptions, "pools" | "config" | "prepare"> = {},
  ): Promise<Runtime> {
    const config = { "identity-change-grace-period": "100ms", ...options.config };
    return new Runtime(await TestCluster.up({ ...options, config }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cluster[Symbol.asyncDispose]();
  }

  /** A Pod and its namespace, not attached yet. */
  async pod(
    labels: Record<string, string> = { app: "test" },
    annotations: Record<string, string> = {},
  ): Promise<TestPod> {
    const number = ++this.#pods;
    const name = `pod-${number}`;
    const pod = await this.cluster.createPod(name, { labels, annotations }, this.node.name);
    const netns = this.cluster.topology.netns(name);
    const options = { netns: netns.path, args: podArgs(pod) };
    return { id: `container-${number}`, netns, name, options };
  }

  /** ADDs, which must succeed; the result. */
  async add(pod: TestPod, more: CniOptions = {}): Promise<CniResult> {
    const { status, output } = await this.node.cni("ADD", pod.id, { ...pod.options, ...more });
    assert.equal(status, 0, output);
    return JSON.parse(output) as CniResult;
  }

  /** DELs, which must succeed without a word. */
  async remove(pod: TestPod): Promise<void> {
    const answer = await this.node.cni("DEL", pod.id, pod.options);
    assert.deepEqual(answer, { status: 0, output: "" });
  }

  /** Code and message of a command that must fail. */
  async failure(command: string, containerId: string, options: CniOptions): Promise<string> {
    const { status, output } = await this.node.cni(command, containerId, options);
    assert.equal(status, 1, output);
    const { code, msg } = JSON.parse(output) as { code: number; msg: string };
    return `${code} ${msg}`;
  }

  async endpoints(): Promise<EndpointView[]> {
    return (await this.node.get<EndpointView[]>("/v1/endpoint")).body;
  }

  /** The endpoint of a container, if there is one. */
  async endpointOf(containerId: string): Promise<EndpointView | undefined> {
    return (await this.endpoints()).find(({ container }) => container.id === containerId);
  }

  /** Everything on the node that an endpoint holds, to be the same before and after. */
  async holdings() {
    await this.#started();
    const { body: ipam } = await this.node.get<{ allocations: unknown[] }>("/v1/ipam");
    const { body: ips } = await this.node.get<unknown[]>("/v1/ip");
    return {
      endpoints: (await this.endpoints()).length,
      links: this.node.netns.rtnl.links.list().map((link) => link.name),
      states: readdirSync(join(this.node.runDir, "state")).toSorted(),
      pins: readdirSync(join(this.cluster.folder, "bpf", this.node.name, "links")).toSorted(),
      addresses: ipam.allocations.length,
      ips: ips.length,
      descriptors: openFiles(this.node.pid),
    };
  }

  /** Waits until every part has started: CNI is served while Hubble still opens its files. @throws Error after a minute */
  async #started(): Promise<void> {
    for (const until = Date.now() + 60_000; ; await sleep(50)) {
      const { body } = await this.node.get<{ parts: { name: string; message: string }[] }>(
        "/v1/healthz",
      );
      const starting = body.parts.filter(({ message }) => message === "starting");
      if (starting.length === 0) return;
      if (Date.now() > until)
        throw new Error(`still starting: ${starting.map(({ name }) => name).join(", ")}`);
    }
  }

  /** Removes every endpoint there is. */
  async clear(): Promise<void> {
    const left = await this.endpoints().catch(() => []);
    for (const { container } of left) await this.node.cni("DEL", container.id, {});
  }

  /** What the agent logged as error or worse. */
  severeLogLines(): object[] {
    const text = readFileSync(join(this.cluster.folder, `${this.node.name}.log`), "utf8");
    return text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { level: string })
      .filter(({ level }) => level === "error" || level === "fatal");
  }
}

export type CniResult = {
  readonly cniVersion: string;
  readonly interfaces: readonly object[];
  readonly ips: readonly { readonly address: string }[];
  readonly routes: readonly object[];
};

/** Open descriptors but sockets, of which the API client keeps as many as it finds good. */
function openFiles(pid: number): number {
  const folder = `/proc/${pid}/fd`;
  const isSocket = (fd: string) => {
    try {
      return readlinkSync(join(folder, fd)).startsWith("socket:");
    } catch {
      return true;
    }
  };
  return readdirSync(folder).filter((fd) => !isSocket(fd)).length;
}
