// The lab of the L7 matrix: one client, and on each node a server that speaks everything, on a port for every rule.
//
//   node-1: client, near, broker-near     node-2: far, broker-far     world
//
// Rules are those of the servers' ingress on node-2, and of the client's egress towards node-1.
import { writeFileSync } from "node:fs";
import type { KubeObject } from "@tsilium/kube";
import { testAuthority } from "@tsilium/testkit/certificates.ts";
import { Lab, manifests, namespaceManifest } from "../harness.ts";
import { type Names, namesOf } from "../hubble/names.ts";
import { Follower } from "../hubble/seen.ts";
import { LabObjects } from "../lab-objects.ts";
import type { Family } from "../services/service-lab.ts";
import { dnsGroups, zone } from "./dns-groups.ts";
import { grpcPort, httpGroups, secret, secretToken } from "./http-groups.ts";
import { kafkaGroups, topics } from "./kafka-groups.ts";
import { brokerPod, idlePod, serverPod, TestFiles } from "./pods.ts";
import type { Group, Target } from "./rows.ts";
import { tlsGroups } from "./tls-groups.ts";
import { Worker } from "./worker.ts";

export const namespace = "l7m";
export type Side = "ingress" | "egress";
/** Whom the rules of each side are about, and which node enforces them. */
export const sides = {
  ingress: { server: "far", broker: "broker-far", node: "node-2", family: 6 },
  egress: { server: "near", broker: "broker-near", node: "node-1", family: 4 },
} as const;

/** Ports of servers. */
const ports = { first: 9001, last: 9040 } as const;

export class MatrixLab implements AsyncDisposable {
  readonly lab: Lab;
  readonly objects: LabObjects;
  readonly names: Names;
  readonly files: TestFiles;
  readonly asker: Worker;
  readonly flows: Follower;
  /** What was so when it was looked at, and is to be so still. */
  readonly checks: (() => void)[] = [];

  private constructor(parts: Pick<MatrixLab, "lab" | "objects" | "names" | "files">) {
    this.lab = parts.lab;
    this.objects = parts.objects;
    this.names = parts.names;
    this.files = parts.files;
    this.asker = Worker.inPod(parts.lab, { namespace, name: "client" }, "asker.ts");
    this.flows = new Follower(parts.lab, "--type", "l7", "--namespace", namespace);
  }

  /** Policies are in force when it resolves. */
  static async up(purpose: string): Promise<MatrixLab> {
    const files = await TestFiles.make(serverNames);
    const secrets = await secretsOf(files);
    const lab = await Lab.up({ name: `t${process.pid}${purpose}` }).catch((error: unknown) => {
      files[Symbol.dispose]();
      throw error;
    });
    try {
      writeFileSync(`/var/run/tsilium/lab/${lab.name}/world-zone.json`, JSON.stringify(zone));
      await lab.apply(
        manifests(
          ...[namespace, "cilium-secrets"].map(namespaceManifest),
          ...[...secrets, ...pods(files)].map((object) => JSON.stringify(object)),
        ),
      );
      await lab.wait(namespace);
      const objects = await LabObjects.of(lab);
      await lab.apply(manifests(...policies().map((object) => JSON.stringify(object))));
      await objects.inKernels();
      const names = await namesOf(lab, ["node-1", "node-2"], namespace);
      return new MatrixLab({ lab, objects, names, files });
    } catch (error) {
      await lab[Symbol.asyncDispose]();
      files[Symbol.dispose]();
      throw error;
    }
  }

  /** Where a side's requests go. */
  target(name: string, port: number, family: Family): Target {
    const found = [...this.names.addresses].find(
      ([address, known]) => known === name && address.includes(":") === (family === 6),
    );
    if (!found) throw new Error(`nobody is called ${name}`);
    const [address] = found;
    const authority = `${family === 6 ? `[${address}]` : address}:${port}`;
    return { name, address, port, authority, folder: this.files.folder };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.asker[Symbol.asyncDispose]();
    await this.flows[Symbol.asyncDispose]();
    this.objects[Symbol.dispose]();
    await this.lab[Symbol.asyncDispose]();
    this.files[Symbol.dispose]();
  }
}

/** Names that servers' certificates have. */
export const serverNames = ["secure.test", "a.wild.test", "other.test"] as const;

async function secretsOf({ authority, leaf }: TestFiles): Promise<KubeObject[]> {
  const other = await testAuthority("other");
  const made = (name: string, stringData: object) => ({
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name, namespace: secret.namespace },
    stringData,
  });
  return [
    made(secret.name, { value: secretToken }),
    made("shown", { "tls.crt": leaf.certificate, "tls.key": leaf.privateKey }),
    made("trusted", { "ca.crt": authority }),
    made("distrusted", { "ca.crt": other.certificate }),
  ] as KubeObject[];
}

function pods(files: TestFiles): KubeObject[] {
  const where = { namespace, files, grpcPort };
  const server = (name: string, node: string) => serverPod({ name, node }, { ...where, ports });
  const broker = (name: string, node: string, family: Family) => {
    const kafka = { family, topics, ports: kafkaGroups.map(({ port }) => port) };
    return brokerPod({ name, node }, { ...where, ...kafka });
  };
  return [
    idlePod({ name: "client", node: "node-1" }, namespace),
    server("near", "node-1"),
    server("far", "node-2"),
    broker("broker-near", "node-1", 4),
    broker("broker-far", "node-2", 6),
  ];
}

function policies(): KubeObject[] {
  return [
    ...[...httpGroups, ...tlsGroups].flatMap((group) => ofBothSides(group, "server")),
    ...kafkaGroups.flatMap((group) => ofBothSides(group, "broker")),
    ...dnsGroups.map(({ name, rules }) =>
      policy(name, {
        endpointSelector: client,
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
            toPorts: [{ ports: [{ port: "53", protocol: "ANY" }], rules: { dns: rules } }],
          },
        ],
      }),
    ),
    // What the servers' own policies are about is let out.
    policy("to-far", {
      endpointSelector: client,
      egress: [{ toEndpoints: peers(sides.ingress.server, sides.ingress.broker) }],
    }),
  ];
}

const client = { matchLabels: { app: "client" } };
const peers = (...apps: readonly string[]) => apps.map((app) => ({ matchLabels: { app } }));

/** Each group twice: of the far one's ingress, and of the client's egress to the near one. */
function ofBothSides({ name, port, rule }: Group, role: "server" | "broker"): KubeObject[] {
  const toPorts = [{ ports: [{ port: String(port), protocol: "TCP" }], ...ruleFields(rule) }];
  return [
    policy(name, {
      endpointSelector: { matchLabels: { app: sides.ingress[role] } },
      ingress: [{ fromEndpoints: [client], toPorts }],
    }),
    policy(`${name}-out`, {
      endpointSelector: client,
      egress: [{ toEndpoints: peers(sides.egress[role]), toPorts }],
    }),
  ];
}

/** Fields beside `rules` stand beside it. */
function ruleFields(rule: object): object {
  const { http, kafka, dns, ...beside } = rule as Record<string, unknown>;
  const rules = { http, kafka, dns };
  return Object.values(rules).some(Boolean) ? { ...beside, rules } : beside;
}

function policy(name: string, spec: object): KubeObject {
  return {
    apiVersion: "cilium.io/v2",
    kind: "CiliumNetworkPolicy",
    metadata: { name, namespace },
    spec,
  } as KubeObject;
}
