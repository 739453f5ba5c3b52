// Everything that Envoy is to have, from the listeners' rules and the Secrets that they name. Pure: the same in, the same
// bytes out.
import { type DescMessage, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { type Any, AnySchema, anyPack } from "@bufbuild/protobuf/wkt";
import type { Direction, HttpRuleSet, TlsContext } from "@tsilium/policy/model.ts";
import { ClusterSchema } from "../gen/envoy/config/cluster/v3/cluster_pb.ts";
import { ListenerSchema } from "../gen/envoy/config/listener/v3/listener_pb.ts";
import { RouteConfigurationSchema } from "../gen/envoy/config/route/v3/route_pb.ts";
import { SecretSchema } from "../gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts";
import type { ListenerProblem, ListenerRules, SecretStore } from "../../model.ts";
import { tlsMaterial, type TlsUse } from "../../secrets/index.ts";
import { originalDestination } from "./clusters.ts";
import { listenerOf, type ListenerOptions } from "./listeners.ts";
import { listenerName, originalCluster, tlsClusterName, tlsName } from "./names.ts";
import { denyAll, routesOf } from "./routes.ts";
import { tlsSecrets, tlsSocket } from "./tls.ts";

/** A resource as it is sent. */
export type Resource = {
  /** google.protobuf.Any, encoded. */
  readonly bytes: Uint8Array;
  readonly message: Any;
  /** Whether a Secret's content is in there. */
  readonly secret: boolean;
  /** Listeners that need it. */
  readonly ports: ReadonlySet<number>;
};

export type ResourceSet = ReadonlyMap<string, Resource>;

/** By kind, in the order in which they are made known: none refers to one that comes later. */
export type Resources = {
  readonly clusters: ResourceSet;
  readonly secrets: ResourceSet;
  readonly routes: ResourceSet;
  readonly listeners: ResourceSet;
  /** Listeners that let nothing through. */
  readonly problems: readonly ListenerProblem[];
  /** What people should know, which is no listener's end. */
  readonly notes: readonly string[];
};

export type ResourceOptions = {
  readonly direction: Direction;
  readonly secrets: SecretStore;
  /** Listeners whose rules Envoy refused, and why: they let nothing through. */
  readonly refused?: ReadonlyMap<number, string>;
  /** Listeners that Envoy refused even so: not there, and packets to them are dropped. */
  readonly absent?: ReadonlyMap<number, string>;
};

export function resourcesOf(
  listeners: readonly ListenerRules[],
  options: ResourceOptions,
): Resources {
  const builder = new Builder(options);
  builder.add("clusters", ClusterSchema, originalDestination(originalCluster), {});
  for (const listener of listeners) builder.listener(listener);
  return builder.resources();
}

type Growing = Map<string, Resource & { readonly ports: Set<number> }>;
type SetName = "clusters" | "secrets" | "routes" | "listeners";

class Builder {
  readonly #options: ResourceOptions;
  readonly #sets: Readonly<Record<SetName, Growing>> = {
    clusters: new Map(),
    secrets: new Map(),
    routes: new Map(),
    listeners: new Map(),
  };
  readonly #problems: ListenerProblem[] = [];
  readonly #notes = new Set<string>();

  constructor(options: ResourceOptions) {
    this.#options = options;
  }

  add<Desc extends DescMessage>(
    set: SetName,
    schema: Desc,
    resource: MessageShape<Desc> & { readonly name: string },
    about: { readonly port?: number; readonly secret?: boolean },
  ): void {
    const known = this.#sets[set].get(resource.name);
    const ports = known?.ports ?? new Set<number>();
    if (about.port !== undefined) ports.add(about.port);
    if (known) return;
    const message = anyPack(schema, resource);
    const bytes = toBinary(AnySchema, message);
    this.#sets[set].set(resource.name, { bytes, message, secret: about.secret ?? false, ports });
  }

  resources(): Resources {
    return { ...this.#sets, problems: this.#problems, notes: [...this.#notes] };
  }

  listener({ port, ruleSet }: ListenerRules): void {
    const absent = this.#options.absent?.get(port);
    if (absent !== undefined) return this.#problem(port, absent);
    const refused = this.#options.refused?.get(port);
    switch (ruleSet.kind) {
      case "http":
        if (refused !== undefined) return this.#refuseHttp(port, ruleSet, refused);
        return this.#http(port, ruleSet);
      case "sni": {
        const serverNames = ruleSet.rules.map(({ match }) => match.serverName);
        if (refused !== undefined) this.#problem(port, refused);
        this.#listener(
          port,
          "sni",
          refused === undefined
            ? { kind: "sni", serverNames, audit: ruleSet.audit }
            : { kind: "nothing" },
        );
        return;
      }
      case "dns":
      case "kafka":
        this.#problem(port, `rules of kind ${ruleSet.kind} are not this engine's`);
    }
  }

  #http(port: number, ruleSet: HttpRuleSet): void {
    const { terminating, originating } = ruleSet.tls;
    // Few servers speak HTTP/2 without TLS.
    const protocols = originating ? ["h2", "http/1.1"] : ["http/1.1"];
    const server = terminating && this.#tls(port, "terminating", terminating, protocols);
    const client = originating && this.#tls(port, "originating", originating, []);
    const problem = server?.problem ?? client?.problem;
    if (problem !== undefined) return this.#refuseHttp(port, ruleSet, problem);
    if (ruleSet.serverNames !== undefined && !terminating) {
      return this.#refuseHttp(port, ruleSet, "serverNames need terminatingTLS");
    }
    const name = listenerName("http", port);
    let built: ReturnType<typeof routesOf>;
    try {
      built = routesOf(ruleSet, {
        name,
        cluster: client?.tls === undefined ? originalCluster : tlsClusterName(client.tls),
        secrets: this.#options.secrets,
      });
    } catch (error) {
      return this.#refuseHttp(port, ruleSet, (error as Error).message);
    }
    for (const note of built.notes) this.#notes.add(`listener ${port}: ${note}`);
    this.add("routes", RouteConfigurationSchema, built.routes, { port, secret: built.secret });
    this.#listener(port, "http", {
      kind: "http",
      hosts: ruleSet.rules.some(({ match }) => match.host !== undefined),
      tls: server?.socket,
      serverNames: ruleSet.serverNames,
    });
  }

  #tls(port: number, use: TlsUse, context: TlsContext, protocols: readonly string[]) {
    const material = tlsMaterial(context, use, this.#options.secrets);
    if ("problem" in material) return { problem: material.problem };
    const tls = tlsName(use, context);
    const socket = tlsSocket(use, tls, material, protocols);
    for (const secret of tlsSecrets(tls, material))
      this.add("secrets", SecretSchema, secret, { port, secret: true });
    if (use === "originating") {
      const cluster = originalDestination(tlsClusterName(tls), socket);
      this.add("clusters", ClusterSchema, cluster, { port });
    }
    return { tls, socket };
  }

  /** In plain, a client hears 403; within TLS there is nothing to answer with. */
  #refuseHttp(port: number, ruleSet: HttpRuleSet, reason: string): void {
    this.#problem(port, reason);
    if (ruleSet.tls.terminating) return this.#listener(port, "http", { kind: "nothing" });
    const routes = denyAll(listenerName("http", port), ruleSet.denyRule);
    this.add("routes", RouteConfigurationSchema, routes, { port });
    this.#listener(port, "http", {
      kind: "http",
      hosts: false,
      tls: undefined,
      serverNames: undefined,
    });
  }

  #listener(port: number, kind: "http" | "sni", serves: ListenerOptions["serves"]): void {
    const { direction } = this.#options;
    const listener = listenerOf({ name: listenerName(kind, port), port, direction, serves });
    this.add("listeners", ListenerSchema, listener, { port });
  }

  #problem(port: number, reason: string): void {
    this.#problems.push({ port, reason });
  }
}
