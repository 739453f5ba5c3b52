// A cluster in a lab: real pods, real packets. Verdicts are what packets did; explanations are the agents'.
import { AssertionError } from "node:assert";
import { objectKey, type Pod } from "@tsilium/kube";
import { TestError } from "../error.ts";
import { type Explanation, type Verdict, worse } from "../explanation.ts";
import { Inventory, isClusterWide } from "../inventory.ts";
import { namespace, pod, splitName } from "../manifests/pods.ts";
import { readManifests, type ReadObject } from "../manifests/read.ts";
import {
  type Attempt,
  type Cluster,
  type Entity,
  type Family,
  type Manifest,
  type Outcome,
  partyName,
  Peer,
} from "../model.ts";
import { formatPort } from "../port.ts";
import { isWorldAddress, worldHost } from "../network.ts";
import { labObject } from "./objects.ts";
import type { LabOptions } from "./options.ts";
import { Placement } from "../placement.ts";
import { type Spot, spotsOf } from "./place.ts";
import { Probes, type Reached } from "./probes.ts";
import { probePort } from "./target.ts";
import { Tsilium } from "./tsilium.ts";

/** Starts a lab (root) with these objects. `await using` it, or dispose of it: it stays until then. */
export async function labCluster(options: LabOptions = {}): Promise<Cluster> {
  const cluster = new LabCluster(options);
  try {
    await cluster.start(options);
  } catch (error) {
    await cluster[Symbol.asyncDispose]();
    throw error;
  }
  return cluster;
}

/** Tests wait for what they change; nobody else's packets are under way. `settings` have the last word. */
const quick = { "identity-change-grace-period": "500ms" };

let labs = 0;

class LabCluster implements Cluster {
  readonly families: readonly Family[];
  readonly knowledge = new Inventory();
  readonly #tsilium: Tsilium;
  readonly #probes: Probes;
  readonly #placement: Placement;
  readonly #folder: string;
  readonly #timeoutMs: number;
  readonly #namespaces = new Set(["default"]);
  readonly #worldAddresses = new Set<string>(Object.values(worldHost));
  /** As they run. */
  #pods: ReadonlyMap<string, Pod> = new Map();

  constructor({ nodes = 2, settings = {}, folder = process.cwd(), ...options }: LabOptions) {
    this.#tsilium = new Tsilium(options.name ?? `pt${process.pid}-${++labs}`, options.tsilium);
    this.#probes = new Probes(this.#tsilium);
    this.#placement = new Placement(nodes);
    this.#folder = folder;
    this.#timeoutMs = options.timeoutMs ?? 1000;
    this.families = ([4, 6] as const).filter((one) => settings[`enable-ipv${one}`] !== "false");
  }

  async start({ settings = {}, manifests = [], pods = {} }: LabOptions): Promise<void> {
    const set = Object.entries({ ...quick, ...settings }).flatMap(([key, value]) => [
      "--set",
      `${key}=${value}`,
    ]);
    await this.#tsilium.run(["lab", "up", "--nodes", String(this.#placement.nodes.length), ...set]);
    const described = Object.entries(pods).map(([name, description]) => pod(name, description));
    await this.apply(...described, ...manifests);
  }

  pod(name: string): Peer {
    const { metadata } = this.knowledge.pod(splitName(name).join("/"));
    const { namespace: home = "default", name: own = "" } = metadata;
    return new Peer(this, { kind: "pod", namespace: home, name: own });
  }

  world(address?: string): Peer {
    if (address === undefined) return this.entity("world");
    if (isWorldAddress(address)) return new Peer(this, { kind: "address", address });
    throw new TestError(
      "unsupported",
      `the lab's world has 203.0.113.0/24 and 2001:db8:113::/64 only, and not ${address}`,
    );
  }

  entity(name: Entity): Peer {
    return new Peer(this, { kind: "entity", name });
  }

  async apply(...manifests: readonly Manifest[]): Promise<void> {
    const objects = readManifests(manifests, this.#folder);
    const all = [...this.#missingNamespaces(objects), ...objects];
    const documents = this.#documents(all.toSorted(namespacesFirst));
    if (documents === "") return;
    const { status, stderr } = await this.#tsilium.tryRun(["lab", "apply", "-f", "-"], documents);
    if (status !== 0) throw new TestError("policy_invalid", stderr.trim().replace(/^error: /, ""));
    for (const object of objects) this.knowledge.add(object);
    await this.#settle();
  }

  async delete(...manifests: readonly Manifest[]): Promise<void> {
    const objects = readManifests(manifests, this.#folder);
    const documents = this.#documents(objects);
    if (documents === "") return;
    await this.#tsilium.run(["lab", "delete", "-f", "-"], documents);
    for (const object of objects) this.knowledge.remove(object);
    await this.#settle();
  }

  async attempt(attempt: Attempt): Promise<Outcome> {
    if (attempt.request)
      throw new TestError("unsupported", "a lab makes connections: only compilers judge requests");
    const spots = spotsOf(attempt, { pods: this.#pods, nodes: this.#placement.nodes });
    // One after the other: an explanation must not be that of a policy that came meanwhile.
    const { reached, observed } = await this.#reach(attempt, spots);
    const explanation = await this.#explain(attempt, spots);
    const { family } = attempt;
    const verdict = agreed(reached, explanation.verdict);
    if (verdict !== undefined) return { family, verdict, explanation, observed };
    throw new AssertionError({
      message: `the agents explain a verdict of "${explanation.verdict}" for ${question(attempt)}, but packets say: ${observed}`,
      actual: observed,
      expected: explanation.verdict,
      operator: "attempt",
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#probes[Symbol.asyncDispose]();
    await this.#tsilium.run(["lab", "down"]);
  }

  #missingNamespaces(objects: readonly ReadObject[]): ReadObject[] {
    for (const { object } of objects)
      if (object.kind === "Namespace") this.#namespaces.add(object.metadata.name ?? "");
    const used = objects.flatMap(({ object }) =>
      isClusterWide(object.kind) ? [] : [object.metadata.namespace ?? "default"],
    );
    const missing = [...new Set(used)].filter((name) => !this.#namespaces.has(name));
    for (const name of missing) this.#namespaces.add(name);
    return missing.map((name) => ({ object: namespace(name), file: undefined }));
  }

  #documents(objects: readonly ReadObject[]): string {
    return objects
      .map(({ object }) => labObject(object, (found) => this.#placement.nodeOf(found)))
      .filter((object) => object !== undefined)
      .map((object) => JSON.stringify(object))
      .join("\n---\n");
  }

  /** Everything that was applied runs and is in every kernel. */
  async #settle(): Promise<void> {
    await this.#tsilium.run(["lab", "wait", "-A", "--for", "ready"]);
    await this.#tsilium.run(["lab", "wait", "--for", "policy"]);
    const text = await this.#tsilium.run(["lab", "get", "pods", "-A", "-o", "json"]);
    const { items } = JSON.parse(text) as { readonly items: readonly Pod[] };
    this.#pods = new Map(items.map((found) => [objectKey(found), found]));
  }

  async #reach(attempt: Attempt, { from, to }: Spots): Promise<Reached> {
    if (!from.place)
      throw new TestError("unsupported", `no probe can run in ${partyName(attempt.from)}`);
    if (from.place.kind === "world" && to.place?.kind === "pod")
      throw new TestError(
        "unsupported",
        "a lab's world has no way to pods: only compilers can tell",
      );
    const port = probePort(attempt, this.knowledge.pods);
    const isWorld = to.place?.kind === "world";
    if (isWorld) await this.#bringWorldAddress(to.address);
    if (to.place && port.protocol !== "icmp")
      await this.#probes.serve(to.place, { ...port, ...(isWorld ? { address: to.address } : {}) });
    return this.#probes.reach(from.place, {
      ...port,
      address: to.address,
      timeoutMs: this.#timeoutMs,
    });
  }

  async #bringWorldAddress(address: string): Promise<void> {
    if (this.#worldAddresses.has(address)) return;
    const prefix = `${address}/${address.includes(":") ? 64 : 24}`;
    const command = ["ip", "address", "replace", prefix, "dev", "eth0"];
    if (address.includes(":")) command.push("nodad");
    await this.#tsilium.run(["lab", "world", "exec", "--", ...command]);
    this.#worldAddresses.add(address);
  }

  /** Egress as the sender's node explains it, ingress as the receiver's does: they are the ones who enforce it. */
  async #explain(attempt: Attempt, spots: Spots): Promise<Explanation> {
    const first = spots.from.node ?? spots.to.node ?? (this.#placement.nodes[0] as string);
    const second = spots.to.node ?? first;
    const port = this.#portFor(attempt);
    const ask = async (node: string) => {
      const ends = ["--from", spots.from.address, "--to", spots.to.address, "--port", port];
      const words = ["--node", node, "policy", "explain", ...ends, "-o", "json"];
      return JSON.parse(await this.#tsilium.run(words)) as Explanation;
    };
    const [sender, receiver] = await Promise.all([
      ask(first),
      second === first ? undefined : ask(second),
    ]);
    const { egress } = sender;
    const { ingress } = receiver ?? sender;
    return { verdict: worse(egress.verdict, ingress.verdict), egress, ingress };
  }

  /** As agents take it: names are looked up here, since an address has none. */
  #portFor(attempt: Attempt): string {
    const { protocol, port } = probePort(attempt, this.knowledge.pods);
    if (protocol === "icmp") return attempt.family === 4 ? "icmp" : "icmpv6";
    return `${port}/${protocol}`;
  }
}

type Spots = { readonly from: Spot; readonly to: Spot };

/** What lives in a namespace cannot come before it. */
function namespacesFirst(a: ReadObject, b: ReadObject): number {
  return Number(b.object.kind === "Namespace") - Number(a.object.kind === "Namespace");
}

/** undefined: packets and explanation contradict each other. */
function agreed(reached: boolean, explained: Verdict): Verdict | undefined {
  return reached === (explained !== "denied") ? explained : undefined;
}

function question({ from, to, port, family }: Attempt): string {
  return `${partyName(from)} -> ${partyName(to)} ${formatPort(port)} (IPv${family})`;
}
