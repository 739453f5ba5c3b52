// One request that is allowed and one that is not, on every way that there is from a client to a server.
//
//   node-1: client, near     node-2: far, away (asks DNS from there)     world     services near, far; headless: near-pods, far-pods
import assert from "node:assert/strict";
import type { KubeObject } from "@tsilium/kube";
import { type Lab, manifests, namespaceManifest } from "../harness.ts";
import { lineOf } from "../hubble/lines.ts";
import { type Names, namesOf } from "../hubble/names.ts";
import { Follower, type SeenFlow } from "../hubble/seen.ts";
import type { LabObjects } from "../lab-objects.ts";
import {
  clusterIp,
  families,
  type Family,
  nodeAddress,
  nodePort,
} from "../services/service-lab.ts";
import { echoPort, serviceFacts, type ServiceFacts } from "../services/service-objects.ts";
import {
  awayPolicy,
  type Enforced,
  namespace,
  pathObjects,
  paths,
  policiesOf,
  type Server,
  servers,
} from "./path-objects.ts";
import { upstreamPorts } from "./run-rows.ts";
import { Worker } from "./worker.ts";

type Way = {
  readonly what: string;
  readonly from: "client" | "world";
  readonly server: Server;
  readonly family: Family;
  /** Of a URL; and what flows call it, without the connection's own port, and with names. */
  readonly authority: string;
  readonly told: string;
};

/** What a lab answers to names that are denied. */
export type PathsOptions = {
  readonly lab: Lab;
  readonly objects: LabObjects;
  readonly refusal: string;
};

export class Paths implements AsyncDisposable {
  readonly #options: PathsOptions;
  readonly #names: Names;
  readonly #services: Readonly<Record<string, ServiceFacts>>;
  readonly #askers: Readonly<Record<"client" | "away" | "world", Worker>>;
  readonly #flows: Follower;
  /** Of ways from the world: whom servers see without a policy. */
  readonly #seenWithout = new Map<string, string>();

  private constructor(options: PathsOptions, names: Names, services: Paths["services"]) {
    this.#options = options;
    this.#names = names;
    this.#services = services;
    const { lab } = options;
    const inPod = (name: string) => Worker.inPod(lab, { namespace, name }, "asker.ts");
    this.#askers = {
      client: inPod("client"),
      away: inPod("away"),
      world: Worker.inWorld(lab, "asker.ts"),
    };
    this.#flows = new Follower(lab, "--type", "l7", "--namespace", namespace);
  }

  /** Without policies. */
  static async set(options: PathsOptions): Promise<Paths> {
    const { lab, objects } = options;
    const made = pathObjects().map((object) => JSON.stringify(object));
    await lab.apply(manifests(namespaceManifest(namespace), ...made));
    await lab.wait(namespace);
    await objects.inKernels();
    const { items } = await lab.json<{ items: Parameters<typeof serviceFacts>[0][] }>(
      "lab",
      "get",
      "services",
      "-n",
      namespace,
    );
    const services = Object.fromEntries(
      items.map((each) => [each.metadata.name ?? "", serviceFacts(each)] as const),
    );
    const balanced = Object.entries(services).flatMap(([name, { clusterIps }]) =>
      clusterIps.map((address) => [address, `${name}.service`] as const),
    );
    const nodes = Object.values(servers);
    const names = await namesOf(lab, nodes, namespace, Object.fromEntries(balanced));
    const found = new Paths(options, names, services);
    await found.#lookWithout();
    return found;
  }

  get services(): Readonly<Record<string, ServiceFacts>> {
    return this.#services;
  }

  /** Fails unless every way's allowed request is served, its denied one refused, and just that is seen. */
  async assertHttp(enforced: Enforced): Promise<void> {
    const policies = policiesOf(enforced);
    await this.#having(policies, async () => {
      const problems: string[] = [];
      const wanted: string[] = [];
      const from = this.#flows.flows.length;
      for (const way of this.#ways())
        for (const kind of ["allowed", "denied"] as const) {
          // Of the client's egress the world knows nothing.
          if (way.from === "world" && enforced !== "ingress") continue;
          problems.push(...(await this.#request(way, kind)));
          wanted.push(...this.#flowsOf(way, kind, enforced));
        }
      const seen = () =>
        this.#flows.flows
          .slice(from)
          .filter(({ l7 }) => l7?.http !== undefined)
          .map((flow) => this.#line(flow))
          .toSorted();
      await this.#flows.until(() => seen().length >= wanted.length, 5_000);
      assert.deepEqual(problems, []);
      assert.deepEqual(seen(), wanted.toSorted());
    });
  }

  /** The same for names. */
  async assertDns(): Promise<void> {
    await this.#having([...policiesOf("egress"), awayPolicy], async () => {
      const from = this.#flows.flows.length;
      const problems: string[] = [];
      const wanted: string[] = [];
      for (const pod of ["client", "away"] as const)
        for (const address of this.#dnsAddresses())
          for (const option of ["+notcp", "+tcp"])
            for (const [name, status] of [
              ["far.l7p.svc.cluster.local", "NOERROR"],
              ["denied.test", this.#options.refusal],
            ] as const) {
              const command = [
                "dig",
                "+time=3",
                "+tries=1",
                "+nosearch",
                option,
                `@${address}`,
                name,
              ];
              const { output } = await this.#askers[pod].ask<{ output: string }>({
                kind: "run",
                command,
              });
              const got = /status: (\w+)/.exec(output)?.[1];
              if (got !== status) problems.push(`${pod} ${command.join(" ")}: ${got}`);
              wanted.push(...dnsFlows(pod, name, status === "NOERROR"));
            }
      const seen = () =>
        this.#flows.flows
          .slice(from)
          .filter(({ l7 }) => l7?.dns !== undefined)
          .map((flow) => this.#line(flow))
          .map((line) =>
            line.replace(/svc\.cluster\.local: .*?, egress/, "svc.cluster.local: answer, egress"),
          )
          .toSorted();
      await this.#flows.until(() => seen().length >= wanted.length, 5_000);
      assert.deepEqual(problems, []);
      assert.deepEqual(seen(), wanted.toSorted());
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const asker of Object.values(this.#askers)) await asker[Symbol.asyncDispose]();
    await this.#flows[Symbol.asyncDispose]();
  }

  #ways(): Way[] {
    return (Object.keys(servers) as Server[]).flatMap((server) =>
      families.flatMap((family) => {
        const way = { from: "client", server, family } as const;
        const ways: Way[] = [
          {
            ...way,
            what: "by its address",
            authority: `${this.#url(server, family)}:${echoPort}`,
            told: server,
          },
          {
            ...way,
            what: "by its service",
            authority: inUrl(clusterIp(this.#services[server], family)),
            told: `${server}.service`,
          },
          {
            ...way,
            what: "by a headless service's name",
            authority: `${server}-pods.${namespace}.svc.cluster.local:${echoPort}`,
            told: `${server}-pods.${namespace}.svc.cluster.local`,
          },
          ...Object.values(servers).map((node): Way => ({
            ...way,
            from: "world",
            what: `by ${node}'s port`,
            authority: `${inUrl(nodeAddress(node, family))}:${nodePort(this.#services[server])}`,
            told: `${node}:${nodePort(this.#services[server])}`,
          })),
        ];
        return ways.map((each) => ({
          ...each,
          what: `${each.from} to ${server} ${each.what}, IPv${family}`,
        }));
      }),
    );
  }

  #url(pod: string, family: Family): string {
    for (const [address, name] of this.#names.addresses)
      if (name === pod && address.includes(":") === (family === 6)) return inUrl(address);
    throw new Error(`nobody is called ${pod}`);
  }

  async #request(way: Way, kind: keyof typeof paths): Promise<string[]> {
    const { output } = await this.#ask(way, paths[kind]);
    const code = /(\d{3})$/.exec(output)?.[1];
    const wanted = kind === "allowed" ? "200" : "403";
    if (code !== wanted) return [`${way.what}: ${kind}: ${output}`];
    if (kind === "denied") return [];
    const { client, clientPort } = echoed(output);
    const sees = way.from === "world" ? this.#seenWithout.get(way.what) : "client";
    const seen = this.#names.addresses.get(client) ?? client;
    const past = !isUpstream(clientPort);
    return [
      ...(seen === sees ? [] : [`${way.what}: the server sees ${seen}, not ${sees}`]),
      ...(past ? [`${way.what}: past the proxy, from port ${clientPort}`] : []),
    ];
  }

  #ask({ from, family, authority }: Way, path: string): Promise<{ output: string }> {
    const command = ["curl", "-sS", "-g", "-m", "5", `-${family}`, "-w", "\n%{http_code}"];
    return this.#askers[from].ask({
      kind: "run",
      command: [...command, `http://${authority}${path}`],
    });
  }

  async #lookWithout(): Promise<void> {
    for (const way of this.#ways()) {
      const { output } = await this.#ask(way, paths.allowed);
      const { client } = echoed(output);
      this.#seenWithout.set(way.what, this.#names.addresses.get(client) ?? client);
    }
  }

  async #having(policies: readonly KubeObject[], then: () => Promise<void>): Promise<void> {
    const { objects } = this.#options;
    for (const policy of policies) await objects.create(policy);
    await objects.inKernels();
    try {
      await then();
    } finally {
      for (const policy of policies) await objects.delete(policy);
      await objects.inKernels();
    }
  }

  #dnsAddresses(): string[] {
    const pod = [...this.#names.addresses].flatMap(([address, name]) =>
      name === "kube-system/kube-dns" ? [address] : [],
    );
    return [...pod, "10.96.0.10"];
  }

  #flowsOf(way: Way, kind: keyof typeof paths, enforced: Enforced): string[] {
    const sides = enforced === "both" ? (["egress", "ingress"] as const) : [enforced];
    // What egress refuses, ingress never hears of.
    return (kind === "denied" ? sides.slice(0, 1) : sides).flatMap((side) => {
      const node = side === "egress" ? "node-1" : servers[way.server];
      const names = { client: this.#sourceOf(way), server: way.server };
      // Where the client names no port it is the backend's.
      const authority = way.told.includes(":") ? way.told : `${way.told}:${echoPort}`;
      const url = `http://${authority}${paths[kind]}`;
      const suffix = `by CiliumNetworkPolicy ${side} spec.${side}[0].toPorts[0]`;
      const at = side === "egress" ? " at egress" : "";
      const head = (ends: string) => `${node} VERDICT l7: ${ends} HTTP/1.1`;
      // Ingress hears what egress' proxy says.
      const port = enforced === "both" && side === "ingress" ? "proxied" : "any";
      const request = head(`${names.client}:${port} -> ${names.server}:${echoPort}`);
      const reply = head(`${names.server}:${echoPort} -> ${names.client}:${port}`);
      if (kind === "denied") {
        const asked = `${request} GET ${url}, ${side}, request, denied${at} ${suffix}`;
        const own = `${reply} 403 GET ${url}, ${side}, reply`;
        return [asked.replace("VERDICT", "DROPPED"), own.replace("VERDICT", "FORWARDED")];
      }
      return [
        `${request} GET ${url}, ${side}, request, allowed${at} ${suffix}`,
        `${reply} 200 GET ${url}, ${side}, reply, allowed${at} ${suffix}`,
      ].map((line) => line.replace("VERDICT", "FORWARDED"));
    });
  }

  /** The client, as flows call it. */
  #sourceOf(way: Way): string {
    if (way.from === "client") return "client";
    const seen = this.#seenWithout.get(way.what);
    return seen === "world" ? `world-ipv${way.family}@world` : `remote-node@${seen}`;
  }

  #line(flow: SeenFlow): string {
    const both = [flow.l4?.TCP?.source_port ?? 0, flow.l4?.TCP?.destination_port ?? 0];
    const ports = both.filter(isUpstream).map((port) => [port, "proxied"] as const);
    return lineOf(flow, { names: this.#names, namespace, ports: new Map(ports) });
  }
}

/** A port that proxies speak to servers from. */
function isUpstream(port: number): boolean {
  return port >= upstreamPorts.first && port <= upstreamPorts.last;
}

type Echoed = { readonly client: string; readonly clientPort: number };

function echoed(output: string): Echoed {
  const json = output.slice(0, output.lastIndexOf("\n"));
  assert.match(json, /^\{/, output);
  return JSON.parse(json) as Echoed;
}

function inUrl(address: string): string {
  return address.includes(":") ? `[${address}]` : address;
}

function dnsFlows(pod: "client" | "away", name: string, isAllowed: boolean): string[] {
  const node = pod === "client" ? "node-1" : "node-2";
  const policy =
    pod === "client" ? "egress spec.egress[1].toPorts[0]" : "away spec.egress[0].toPorts[0]";
  const dns = "kube-system/kube-dns:53";
  const head = `${node} ${isAllowed ? "FORWARDED" : "DROPPED"} l7:`;
  const by = `${isAllowed ? "allowed" : "denied"} at egress by CiliumNetworkPolicy ${policy}`;
  const asked = `${head} ${pod}:any -> ${dns} DNS A ${name}, egress, request, ${by}`;
  if (!isAllowed) return [asked];
  return [asked, `${head} ${dns} -> ${pod}:any DNS A ${name}: answer, egress, reply, ${by}`];
}
