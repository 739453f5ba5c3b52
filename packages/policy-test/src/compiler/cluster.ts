// A cluster that exists on paper: manifests are parsed and compiled as an agent does it, and questions answered from
// what comes out. No root, no packets, milliseconds.
import type { EndpointSlice, Namespace, Service } from "@tsilium/kube";
import { parseCidrGroup, parsePolicy, type Problem } from "@tsilium/policy";
import {
  type CidrGroup,
  icmpProtocols,
  type Policy,
  portProtocols,
} from "@tsilium/policy/model.ts";
import { Engine } from "../engine/engine.ts";
import { type EngineSettings, engineSettings } from "../engine/settings.ts";
import { TestError } from "../error.ts";
import { Inventory, keyOf } from "../inventory.ts";
import { pod, type PodDescription, splitName } from "../manifests/pods.ts";
import { explainRequest } from "../l7/judge.ts";
import { readManifests, type ReadObject } from "../manifests/read.ts";
import {
  type Attempt,
  type Cluster,
  type Entity,
  type Family,
  type Manifest,
  type Outcome,
  Peer,
} from "../model.ts";
import { echoRequest } from "../port.ts";
import { Placement } from "../placement.ts";
import { portNumber } from "../target.ts";
import { peopleOf } from "./people.ts";
import { policyServices } from "./services.ts";
import { endPointOf, type Scene } from "./standing.ts";

export type TestOptions = {
  readonly manifests?: readonly Manifest[];
  /** `{ "shop/frontend": { labels: { app: "frontend" } } }` */
  readonly pods?: Readonly<Record<string, PodDescription>>;
  /** Where globs start; the process's folder unless given. */
  readonly folder?: string;
  /** Keys of the agent's configuration that policy depends on. */
  readonly settings?: Readonly<Record<string, string>>;
  /** How many nodes; pods that name none are spread over them. */
  readonly nodes?: number;
};

/** A cluster of these objects, against the compiler alone. @throws TestError for manifests and policies with faults */
export async function testCluster(options: TestOptions = {}): Promise<Cluster> {
  const { manifests = [], pods = {} } = options;
  const cluster = new CompilerCluster(options);
  const described = Object.entries(pods).map(([name, description]) => pod(name, description));
  await cluster.apply(...described, ...manifests);
  return cluster;
}

class CompilerCluster implements Cluster {
  readonly families: readonly Family[];
  readonly knowledge = new Inventory();
  readonly #settings: EngineSettings;
  readonly #placement: Placement;
  readonly #folder: string;
  readonly #policies = new Map<string, Policy>();
  readonly #groups = new Map<string, CidrGroup>();
  /** undefined: objects changed since it was made. */
  #scene: Scene | undefined;

  constructor({ settings, folder = process.cwd(), nodes = 2 }: TestOptions) {
    this.#settings = engineSettings(settings);
    this.#placement = new Placement(nodes);
    this.#folder = folder;
    this.families = this.#settings.families;
  }

  pod(name: string): Peer {
    const { metadata } = this.knowledge.pod(splitName(name).join("/"));
    const { namespace = "default", name: own = "" } = metadata;
    return new Peer(this, { kind: "pod", namespace, name: own });
  }

  world(address?: string): Peer {
    return address === undefined
      ? this.entity("world")
      : new Peer(this, { kind: "address", address });
  }

  entity(name: Entity): Peer {
    return new Peer(this, { kind: "entity", name });
  }

  async apply(...manifests: readonly Manifest[]): Promise<void> {
    const objects = readManifests(manifests, this.#folder);
    // All are understood before any counts.
    const notes = objects.map((object) => this.#understand(object));
    for (const note of notes) note();
    for (const object of objects) this.knowledge.add(object);
    this.#scene = undefined;
  }

  async delete(...manifests: readonly Manifest[]): Promise<void> {
    for (const read of readManifests(manifests, this.#folder)) {
      this.knowledge.remove(read);
      this.#policies.delete(keyOf(read.object));
      this.#groups.delete(keyOf(read.object));
    }
    this.#scene = undefined;
  }

  async attempt(attempt: Attempt): Promise<Outcome> {
    const { from, to, family } = attempt;
    const scene = (this.#scene ??= this.#makeScene());
    const connection = scene.engine.explain({
      from: endPointOf({ party: from, other: to, family }, scene),
      to: endPointOf({ party: to, other: from, family }, scene),
      ...this.#wire(attempt),
    });
    const { request } = attempt;
    const explanation = request ? explainRequest(connection, request) : connection;
    return { family, verdict: explanation.verdict, explanation };
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  /** Answers what is to be noted of an object. @throws TestError policy_invalid */
  #understand(read: ReadObject): () => void {
    const { kind } = read.object;
    const key = keyOf(read.object);
    if (kind === "CiliumCIDRGroup") {
      const result = parseCidrGroup(read.object);
      if (!result.ok) throw invalid(read, result.problems);
      return () => this.#groups.set(key, result.group);
    }
    if (!policyKinds.has(kind)) return () => undefined;
    const result = parsePolicy(read.object, this.#settings);
    if (!result.ok) throw invalid(read, result.problems);
    return () => this.#policies.set(key, result.policy);
  }

  #makeScene(): Scene {
    const { knowledge } = this;
    const pods = [...knowledge.pods.values()];
    const people = peopleOf({
      pods,
      namespaces: knowledge.ofKind<Namespace>("Namespace"),
      nodes: this.#placement.nodes,
      settings: this.#settings,
    });
    const engine = new Engine(
      {
        ...people,
        policies: [...this.#policies.values()],
        cidrGroups: [...this.#groups.values()],
        services: policyServices(
          knowledge.ofKind<Service>("Service"),
          knowledge.ofKind<EndpointSlice>("EndpointSlice"),
        ),
      },
      this.#settings,
    );
    const nodeOf = this.#placement.nodeOf.bind(this.#placement);
    return { engine, people, pods: knowledge.pods, nodes: this.#placement.nodes, nodeOf };
  }

  #wire(attempt: Attempt): { readonly protocol: number; readonly port: number } {
    const { port, family } = attempt;
    if (port.kind === "icmp")
      return {
        protocol: icmpProtocols[family],
        port: port.family === undefined ? echoRequest[family] : port.type,
      };
    const { protocol, number } = portNumber(port, attempt.to, this.knowledge.pods);
    return { protocol: portProtocols[protocol], port: number };
  }
}

const policyKinds: ReadonlySet<string> = new Set([
  "NetworkPolicy",
  "CiliumNetworkPolicy",
  "CiliumClusterwideNetworkPolicy",
  "ClusterNetworkPolicy",
]);

function invalid({ object, file }: ReadObject, problems: readonly Problem[]): TestError {
  const where = `${file === undefined ? "" : `${file}: `}${keyOf(object)}`;
  const lines = problems.map(({ path, message, value }) => {
    const shown = value === undefined ? "" : ` (${JSON.stringify(value)})`;
    return `${where}: ${path}: ${message}${shown}`;
  });
  return new TestError("policy_invalid", lines.join("\n"));
}
