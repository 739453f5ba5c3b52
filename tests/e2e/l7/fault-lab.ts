// The lab in which proxies and agents are killed and rules changed under traffic: requests pass two proxies, the client's
// and the server's, and DNS and Kafka theirs.
//
//   node-1: client, guest, near, other-1     node-2: far, other-2, broker
//
// (The guest has no policy of its own: its requests pass the server's proxy alone.)
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import type { KubeObject } from "@tsilium/kube";
import { Lab, manifests, namespaceManifest } from "../harness.ts";
import { LabObjects } from "../lab-objects.ts";
import type { ProxyReport } from "./l7-lab.ts";
import type { Flow, Order, Outcomes } from "./load.ts";
import { brokerPod, idlePod, serverPod, TestFiles } from "./pods.ts";
import { Worker } from "./worker.ts";

export const namespace = "l7f";
export const ports = { web: 9001, plain: 9002, kafka: 9101 } as const;
const grpcPort = 9100;
export const nodes = ["node-1", "node-2"] as const;
export const servers = { near: "node-1", far: "node-2" } as const;
export type Server = keyof typeof servers;

const clients = { matchLabels: { role: "client" } };
const ownClient = { matchLabels: { app: "client" } };
const isServer = { matchLabels: { role: "server" } };
const toPorts = (port: number, rules: object) => [
  { ports: [{ port: String(port), protocol: "TCP" }], rules },
];
const get = (path: string) => ({ method: "GET", path });

function policy(name: string, spec: object): KubeObject {
  return {
    apiVersion: "cilium.io/v2",
    kind: "CiliumNetworkPolicy",
    metadata: { name, namespace },
    spec,
  } as KubeObject;
}

/** What servers let the golden client have, beside what they let any have. */
export const flipRules = (path: string) => ({
  endpointSelector: isServer,
  ingress: [
    {
      fromEndpoints: [{ matchLabels: { role: "client", tier: "gold" } }],
      toPorts: toPorts(ports.web, { http: [get(path)] }),
    },
  ],
});
/** What the client may ask for, of everything that servers have. */
export const egressRules = (path: string) => ({
  endpointSelector: ownClient,
  egress: [
    { toEndpoints: [isServer], toPorts: toPorts(ports.web, { http: [get(path)] }) },
    {
      toEndpoints: [isServer],
      toPorts: [{ ports: [{ port: String(ports.plain), protocol: "TCP" }] }],
    },
    {
      toEndpoints: [{ matchLabels: { app: "broker" } }],
      toPorts: toPorts(ports.kafka, { kafka: [{ topic: "orders" }] }),
    },
    {
      toEndpoints: [
        {
          matchLabels: { "k8s:io.kubernetes.pod.namespace": "kube-system", "k8s-app": "kube-dns" },
        },
      ],
      toPorts: [
        {
          ports: [{ port: "53", protocol: "ANY" }],
          rules: { dns: [{ matchPattern: "*.world.test" }] },
        },
      ],
    },
  ],
});

export const policies = {
  always: policy("always", {
    endpointSelector: isServer,
    ingress: [
      {
        fromEndpoints: [clients],
        toPorts: toPorts(ports.web, { http: [get("/(always|hidden)")] }),
      },
      // (Not looked into, until a test says so.)
      {
        fromEndpoints: [clients],
        toPorts: [{ ports: [{ port: String(ports.plain), protocol: "TCP" }] }],
      },
    ],
  }),
  flip: policy("flip", flipRules("/flip")),
  client: policy("client", egressRules("/(always|never|flip)")),
  broker: policy("broker", {
    endpointSelector: { matchLabels: { app: "broker" } },
    ingress: [
      { fromEndpoints: [clients], toPorts: toPorts(ports.kafka, { kafka: [{ topic: "orders" }] }) },
    ],
  }),
} as const;

/** What comes of each path: `/never` is the server's to refuse, `/hidden` the client's. */
export const expected = { "/always": 200, "/never": 403, "/hidden": 403 } as const;

/** Rules of somebody else's. */
export function otherPolicy(at: number): KubeObject {
  return policy("other", {
    endpointSelector: { matchLabels: { role: "other" } },
    ingress: [{ fromEndpoints: [clients], toPorts: toPorts(ports.web, { http: [get(`/${at}`)] }) }],
  });
}

/** Looks into the port that nothing looks into otherwise. */
export const plainPolicy = policy("plain", {
  endpointSelector: isServer,
  ingress: [
    { fromEndpoints: [clients], toPorts: toPorts(ports.plain, { http: [get("/always")] }) },
  ],
});

const golden = { role: "client", tier: "gold" };

export class FaultLab implements AsyncDisposable {
  readonly lab: Lab;
  readonly objects: LabObjects;
  readonly #loads: Readonly<Record<"client" | "guest", Worker>>;
  readonly asker: Worker;
  readonly pods: Readonly<Record<string, KubeObject>>;
  readonly #addresses: ReadonlyMap<string, readonly string[]>;
  readonly #files: TestFiles;

  private constructor(
    parts: Pick<FaultLab, "lab" | "objects" | "pods">,
    addresses: ReadonlyMap<string, readonly string[]>,
    files: TestFiles,
  ) {
    this.lab = parts.lab;
    this.objects = parts.objects;
    this.pods = parts.pods;
    this.#addresses = addresses;
    this.#files = files;
    const load = (name: string) => Worker.inPod(parts.lab, { namespace, name }, "load.ts");
    this.#loads = { client: load("client"), guest: load("guest") };
    this.asker = Worker.inPod(parts.lab, { namespace, name: "client" }, "asker.ts");
  }

  static async up(): Promise<FaultLab> {
    const files = await TestFiles.make(["server.test"]);
    const lab = await Lab.up({
      name: `t${process.pid}l7f`,
      set: { "identity-change-grace-period": "50ms" },
    }).catch((error: unknown) => {
      files[Symbol.dispose]();
      throw error;
    });
    try {
      const where = { namespace, files, grpcPort };
      const server = (name: Server) =>
        serverPod(
          { name, node: servers[name], labels: { role: "server" } },
          { ...where, ports: { first: ports.web, last: ports.plain + 1 } },
        );
      const pods = {
        client: idlePod({ name: "client", node: "node-1", labels: golden }, namespace),
        guest: idlePod({ name: "guest", node: "node-1", labels: golden }, namespace),
        near: server("near"),
        far: server("far"),
        "other-1": idlePod(
          { name: "other-1", node: "node-1", labels: { role: "other" } },
          namespace,
        ),
        "other-2": idlePod(
          { name: "other-2", node: "node-2", labels: { role: "other" } },
          namespace,
        ),
        broker: brokerPod(
          { name: "broker", node: "node-2", labels: {} },
          { ...where, family: 4, topics: ["orders", "audit"], ports: [ports.kafka] },
        ),
      };
      await lab.apply(
        manifests(
          namespaceManifest(namespace),
          ...Object.values(pods).map((pod) => JSON.stringify(pod)),
        ),
      );
      await lab.wait(namespace);
      const objects = await LabObjects.of(lab);
      for (const each of Object.values(policies)) await objects.create(each);
      await objects.inKernels();
      const list = [...(await lab.pods(namespace)), ...(await lab.pods("kube-system"))];
      const addresses = list.map(
        ({ metadata, status }) =>
          [
            metadata.name.replace(/^kube-dns-.*/, "dns"),
            status.podIPs?.map(({ ip }) => ip) ?? [],
          ] as const,
      );
      return new FaultLab({ lab, objects, pods }, new Map(addresses), files);
    } catch (error) {
      await lab[Symbol.asyncDispose]();
      files[Symbol.dispose]();
      throw error;
    }
  }

  address(pod: string, family: 4 | 6): string {
    const found = this.#addresses.get(pod)?.find((each) => each.includes(":") === (family === 6));
    assert.ok(found, `${pod} has no address`);
    return found;
  }

  /** A flow of the client's to each server, over each family. */
  flows(flow: Pick<Flow, "kind" | "port" | "paths" | "pauseMs"> & Partial<Flow>): Flow[] {
    return (Object.keys(servers) as Server[]).flatMap((server) =>
      ([4, 6] as const).map((family) => ({
        ...flow,
        id: `${flow.kind} ${server} IPv${family} ${flow.id ?? ""}`.trim(),
        address: this.address(server, family),
      })),
    );
  }

  async order(order: Order, who: "client" | "guest" = "client"): Promise<Outcomes> {
    const { outcomes = {} } = await this.#loads[who].ask<{ outcomes?: Outcomes }>(order);
    return outcomes;
  }

  /** What the agent of a node says of its proxies. */
  async proxies(node: string): Promise<readonly ProxyReport[]> {
    type Status = { proxy?: { proxies: readonly ProxyReport[] } };
    const status = await this.lab.json<Status>("--node", node, "status");
    return status.proxy?.proxies ?? [];
  }

  async proxy(node: string, name: string): Promise<ProxyReport & { readonly pid: number }> {
    const found = (await this.proxies(node)).find((proxy) => proxy.name === name);
    assert.ok(found?.pid !== undefined, `${node} has no proxy ${name}`);
    return found as ProxyReport & { readonly pid: number };
  }

  /** What a server has: connections that are open, and how many were reset since it began. */
  async connections(server: Server): Promise<{ readonly open: number; readonly reset: number }> {
    const url = `http://${this.address(server, 4)}:${ports.plain + 1}/connections`;
    const { stdout } = await this.lab.nodeExec(servers[server], ["curl", "-sS", "-m", "3", url]);
    return JSON.parse(stdout) as { open: number; reset: number };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const load of Object.values(this.#loads)) await load[Symbol.asyncDispose]();
    await this.asker[Symbol.asyncDispose]();
    this.objects[Symbol.dispose]();
    await this.lab[Symbol.asyncDispose]();
    this.#files[Symbol.dispose]();
  }
}

/** What a proxy's process has. */
export type ProcessCensus = {
  readonly descriptors: number;
  readonly threads: number;
  readonly residentKb: number;
  /** In its cgroup: itself, and others. */
  readonly neighbours: number;
};

export function processCensus(pid: number): ProcessCensus {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1]);
  const cgroup = /^0::(.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, "utf8"))?.[1] ?? "";
  const mounts = readFileSync("/proc/self/mounts", "utf8");
  const root = /^\S+ (\S+) cgroup2 /m.exec(mounts)?.[1] ?? "";
  const procs = readFileSync(`${root}${cgroup}/cgroup.procs`, "utf8");
  return {
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    threads: field("Threads"),
    residentKb: field("VmRSS"),
    neighbours: procs.trim().split("\n").length,
  };
}
