// A lab for policy at L7: a client and servers on both nodes, and what asks them.
//
//   node-1: client, near     node-2: far     world
import assert from "node:assert/strict";
import { podFacts } from "../frames.ts";
import { echoPod, Lab, manifests, namespaceManifest } from "../harness.ts";
import { LabObjects } from "../lab-objects.ts";

export const namespace = "l7";
export const port = 8080;
export type Server = "near" | "far";
export type Family = 4 | 6;

export type ProxyReport = {
  readonly name: string;
  readonly state: string;
  readonly engine?: string;
  readonly pid?: number;
  readonly restarts: number;
  readonly problem?: string;
  readonly listeners: readonly {
    readonly port: number;
    readonly kind: string;
    readonly version: number;
    readonly acknowledged?: number;
    readonly problem?: string;
  }[];
};

type Addresses = Readonly<Record<Server | "client", { ipv4: string; ipv6: string }>>;

export class L7Lab implements AsyncDisposable {
  readonly lab: Lab;
  readonly objects: LabObjects;
  readonly #addresses: Addresses;

  private constructor(parts: Pick<L7Lab, "lab" | "objects">, addresses: Addresses) {
    this.lab = parts.lab;
    this.objects = parts.objects;
    this.#addresses = addresses;
  }

  static async up(name: string, set: Record<string, string> = {}): Promise<L7Lab> {
    const lab = await Lab.up({ name: `t${process.pid}${name}`, set });
    try {
      await lab.apply(
        manifests(
          namespaceManifest(namespace),
          echoPod({ name: "client", namespace, node: "node-1", labels: { app: "client" } }),
          echoPod({ name: "near", namespace, node: "node-1", labels: { app: "server" } }),
          echoPod({ name: "far", namespace, node: "node-2", labels: { app: "server" } }),
        ),
      );
      await lab.wait(namespace);
      const addresses = {
        client: await podFacts(lab, "node-1", "client"),
        near: await podFacts(lab, "node-1", "near"),
        far: await podFacts(lab, "node-2", "far"),
      };
      return new L7Lab({ lab, objects: await LabObjects.of(lab) }, addresses);
    } catch (error) {
      await lab[Symbol.asyncDispose]();
      throw error;
    }
  }

  address(pod: Server | "client", family: Family): string {
    return this.#addresses[pod][family === 4 ? "ipv4" : "ipv6"];
  }

  url(server: Server, path: string, family: Family = 4): string {
    const address = this.address(server, family);
    return `http://${family === 4 ? address : `[${address}]`}:${port}${path}`;
  }

  /** The status code that the client gets; "000": none. */
  async code(server: Server, path: string, options: CodeOptions = {}): Promise<string> {
    const { family = 4, method = "GET" } = options;
    const { stdout } = await this.exec(
      "curl",
      "-s",
      "-o",
      "/dev/null",
      "-m",
      "3",
      "-X",
      method,
      "-w",
      "%{http_code}",
      this.url(server, path, family),
    );
    return stdout;
  }

  /** What the echo server says of a request. */
  async asked(server: Server, path: string, family: Family = 4) {
    const { stdout, stderr } = await this.exec(
      "curl",
      "-sS",
      "-m",
      "3",
      this.url(server, path, family),
    );
    assert.notEqual(stdout, "", stderr);
    return JSON.parse(stdout) as { pod: string; client: { address: string } | string };
  }

  exec(...command: string[]) {
    return this.lab.exec(namespace, "client", command);
  }

  /** What the agent of a node says of its proxies. */
  async proxies(node: string): Promise<readonly ProxyReport[]> {
    const status = await this.lab.json<{ proxy?: { proxies: readonly ProxyReport[] } }>(
      "--node",
      node,
      "status",
    );
    return status.proxy?.proxies ?? [];
  }

  async proxy(node: string, name: string): Promise<ProxyReport> {
    const found = (await this.proxies(node)).find((proxy) => proxy.name === name);
    assert.ok(found, `${node} has no proxy ${name}`);
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.objects[Symbol.dispose]();
    await this.lab[Symbol.asyncDispose]();
  }
}

type CodeOptions = { readonly family?: Family; readonly method?: string };

/** A CiliumNetworkPolicy of the namespace. */
export function policy(name: string, spec: object) {
  return {
    apiVersion: "cilium.io/v2",
    kind: "CiliumNetworkPolicy",
    metadata: { name, namespace },
    spec,
  };
}

/** Servers let the client have these requests. */
export function serversAllow(name: string, http: readonly object[]) {
  return policy(name, {
    endpointSelector: { matchLabels: { app: "server" } },
    ingress: [
      {
        fromEndpoints: [{ matchLabels: { app: "client" } }],
        toPorts: [{ ports: [{ port: String(port), protocol: "TCP" }], rules: { http } }],
      },
    ],
  });
}

/** The client may ask DNS for these names, and talk to whatever they are. */
export function clientMayAsk(name: string, matchPattern: string) {
  return policy(name, {
    endpointSelector: { matchLabels: { app: "client" } },
    egress: [
      {
        toEndpoints: [
          {
            matchLabels: {
              "k8s:io.kubernetes.pod.namespace": "kube-system",
              "k8s-app": "kube-dns",
            },
          },
        ],
        toPorts: [{ ports: [{ port: "53", protocol: "ANY" }], rules: { dns: [{ matchPattern }] } }],
      },
      { toFQDNs: [{ matchPattern }] },
    ],
  });
}
