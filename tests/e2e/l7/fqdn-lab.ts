// The lab of names in policies: a client whose rules name whom it may reach, and a world with any number of addresses.
//
//   node-1: client, near, spoofer     node-2: far     world: an echo server at 198.18.0.0/21 and 2001:db8:18::/64
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import type { KubeObject } from "@tsilium/kube";
import { type PodFacts, podFacts } from "../frames.ts";
import { echoPod, Lab, manifests, namespaceManifest, run, until } from "../harness.ts";
import { LabObjects } from "../lab-objects.ts";
import type { Flow, Order, Outcomes } from "./load.ts";
import { Worker } from "./worker.ts";

export const namespace = "names";
export const port = 8080;
const pods = { client: "node-1", near: "node-1", spoofer: "node-1", far: "node-2" } as const;
export type Pod = keyof typeof pods;

export type ZoneRecord = {
  readonly name: string;
  readonly type: "A" | "AAAA" | "CNAME";
  readonly data: string;
  readonly ttl: number;
};

/** What is asked for is more than what may be reached. */
const policy = {
  apiVersion: "cilium.io/v2",
  kind: "CiliumNetworkPolicy",
  metadata: { name: "by-name", namespace },
  spec: {
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
        toPorts: [
          {
            ports: [{ port: "53", protocol: "ANY" }],
            rules: { dns: [{ matchPattern: "**.shop.test" }, { matchName: "edge.cdn.test" }] },
          },
        ],
      },
      {
        toFQDNs: [
          { matchName: "api.shop.test" },
          { matchPattern: "*.wild.shop.test" },
          { matchName: "edge.cdn.test" },
        ],
      },
    ],
  },
} as unknown as KubeObject;

/** The n-th address of the world that nobody else has. */
export function worldAddress(at: number, family: 4 | 6 = 4): string {
  return family === 4 ? `198.18.${at >> 8}.${at & 255}` : `2001:db8:18::${at.toString(16)}`;
}

export type Connected = { readonly isConnected: boolean; readonly connectMs: number };

export class FqdnLab implements AsyncDisposable {
  readonly lab: Lab;
  readonly objects: LabObjects;
  readonly facts: Readonly<Record<Pod, PodFacts>>;
  readonly asker: Worker;
  readonly #load: Worker;

  private constructor(parts: Pick<FqdnLab, "lab" | "objects" | "facts">) {
    this.lab = parts.lab;
    this.objects = parts.objects;
    this.facts = parts.facts;
    this.asker = Worker.inPod(parts.lab, { namespace, name: "client" }, "asker.ts");
    this.#load = Worker.inPod(parts.lab, { namespace, name: "client" }, "load.ts");
  }

  /** Without its policy. */
  static async up(): Promise<FqdnLab> {
    const lab = await Lab.up({
      name: `t${process.pid}fqdn`,
      set: { "tofqdns-gc-interval": "1s" },
    });
    try {
      await giveAddresses(lab);
      const made = Object.entries(pods).map(([name, node]) =>
        echoPod({ name, namespace, node, labels: { app: name } }),
      );
      await lab.apply(manifests(namespaceManifest(namespace), ...made));
      await lab.wait(namespace);
      const facts = await Promise.all(
        Object.entries(pods).map(async ([name, node]) => [name, await podFacts(lab, node, name)]),
      );
      return new FqdnLab({
        lab,
        objects: await LabObjects.of(lab),
        facts: Object.fromEntries(facts) as FqdnLab["facts"],
      });
    } catch (error) {
      await lab[Symbol.asyncDispose]();
      throw error;
    }
  }

  async restrict(): Promise<void> {
    await this.objects.create(policy);
    await this.objects.inKernels();
  }

  /** What the world says of names from now on. */
  async say(records: readonly ZoneRecord[]): Promise<void> {
    // Its server reads the file when it changes: it is asked for a name that only this version has.
    const version = `v${process.hrtime.bigint()}.version.test`;
    const known = [...records, { name: version, type: "A", data: "192.0.2.1", ttl: 0 }];
    const folder = `/var/run/tsilium/lab/${this.lab.name}`;
    writeFileSync(`${folder}/world-zone.json`, JSON.stringify({ records: known }));
    const ask = ["dig", "+short", "+time=1", "+tries=1", "@203.0.113.10", version];
    await until(
      "the world knows its names",
      async () =>
        (await run("ip", ["netns", "exec", `tsi-${this.lab.name}-world`, ...ask])).stdout !== "",
    );
  }

  /** The client's question: the code, and the addresses. */
  async dig(name: string, ...options: readonly string[]): Promise<string[]> {
    const command = ["dig", "+time=3", "+tries=1", "+noall", "+comments", "+answer", "+nosearch"];
    const { output } = await this.#run([...command, ...options, name]);
    const status = /status: (\w+)/.exec(output)?.[1] ?? "none";
    const addresses = [...output.matchAll(/\sIN\s+A{1,4}\s+(\S+)$/gm)].map(
      ([, found = ""]) => found,
    );
    return [status, ...addresses];
  }

  /** Whether the client's connection to a name or address comes to be. */
  async connect(
    host: string,
    { to = port, patienceS = 1 }: { to?: number; patienceS?: number } = {},
  ): Promise<Connected> {
    const target = host.includes(":") ? `[${host}]:${to}` : `${host}:${to}`;
    const words = [
      "curl",
      "-s",
      "-o",
      "/dev/null",
      "-m",
      String(patienceS),
      "-w",
      "%{time_connect}",
    ];
    const { output } = await this.#run([...words, `http://${target}/`]);
    const seconds = Number(output);
    return { isConnected: seconds > 0, connectMs: seconds * 1000 };
  }

  async order(order: Order): Promise<Outcomes> {
    const { outcomes = {} } = await this.#load.ask<{ outcomes?: Outcomes }>(order);
    return outcomes;
  }

  /** Requests of the client's to an address, over one connection or one for each. */
  flow(id: string, kind: Flow["kind"], address: string, pauseMs: number): Flow {
    return { id, kind, address, port, paths: ["/"], pauseMs, patienceMs: 2_000 };
  }

  /** `tsilium fqdn WORDS... -o json` on the client's node. */
  fqdn<T>(...words: readonly string[]): Promise<T> {
    return this.lab.json<T>("--node", "node-1", "fqdn", ...words);
  }

  /** Of names that match: each with its addresses, "lookup" or "connection". */
  async cached(pattern: string): Promise<string[]> {
    type Row = { readonly fqdn: string; readonly source: string; readonly ips: readonly string[] };
    const rows = await this.fqdn<Row[]>("cache", "list", "-p", pattern);
    return rows.map(({ fqdn, source, ips }) => `${fqdn} ${source} ${ips.toSorted().join(" ")}`);
  }

  async #run(command: readonly string[]): Promise<{ output: string }> {
    return this.asker.ask<{ output: string }>({ kind: "run", command });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.asker[Symbol.asyncDispose]();
    await this.#load[Symbol.asyncDispose]();
    this.objects[Symbol.dispose]();
    await this.lab[Symbol.asyncDispose]();
  }
}

/** Whole ranges of addresses are the world host's, and the way there. */
async function giveAddresses(lab: Lab): Promise<void> {
  const fabric = `tsi-${lab.name}-fabric`;
  for (const [range, host] of [
    ["198.18.0.0/21", "203.0.113.10"],
    ["2001:db8:18::/64", "2001:db8:113::10"],
  ] as const) {
    const world = await lab.worldExec(["ip", "route", "add", "local", range, "dev", "lo"]);
    const way = await run("ip", ["-n", fabric, "route", "add", range, "via", host]);
    assert.equal(world.status + way.status, 0, world.stderr + way.stderr);
  }
}
