// A policy engine on real maps, told by hand, and a small cluster for it: web, cart and till in the namespace shop.
import assert from "node:assert/strict";
import { join } from "node:path";
import type { KubeObject } from "@tsilium/kube";
import type { ListenerRules, MovedConnection } from "@tsilium/proxy/model.ts";
import { PolicyEngine } from "../engine.ts";
import type { PolicyBatch, PolicyInput } from "../inputs/model.ts";
import type { PolicyKernel } from "../kernel.ts";
import { ListenersFile } from "../listeners/listeners-file.ts";
import type { PolicyWorkerSettings } from "../model.ts";
import { type MapSizes, PolicyNode } from "./policy-node.ts";

export const settings: PolicyWorkerSettings = {
  enablePolicy: "default",
  allowLocalhost: true,
  cidrMatchMode: [],
  audit: false,
  denyResponse: "drop",
  clusterName: "default",
  kubernetesIpBlock: "any",
  nodeSelectorLabels: false,
  dualStack: true,
  tunnel: false,
};

export const podLabels = (app: string) => [
  `k8s:app=${app}`,
  "k8s:io.cilium.k8s.policy.cluster=default",
  "k8s:io.kubernetes.pod.namespace=shop",
];
export const identity = (id: number, app: string): PolicyInput => ({
  kind: "identity",
  id,
  labels: podLabels(app),
  namedPorts: [],
});
export const address = (prefix: string, of: number, owner = `pod-${of}`): PolicyInput => ({
  kind: "address",
  prefix,
  identity: of,
  hostIp: undefined,
  owner,
});
const world: PolicyBatch = (
  [
    [1, "host"],
    [9, "world-ipv4"],
    [10, "world-ipv6"],
  ] as const
).map(([id, name]) => ({ kind: "identity", id, labels: [`reserved:${name}`], namedPorts: [] }));
export const synced: PolicyInput = { kind: "synced" };

/** Web is selected; `spec` says by what. */
export function networkPolicy(name: string, spec: object, generation = 1): PolicyInput {
  const object = {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name, namespace: "shop", uid: `uid-${name}`, generation },
    spec: { podSelector: { matchLabels: { app: "web" } }, ...spec },
  };
  const ref = { kind: "NetworkPolicy", namespace: "shop", name } as const;
  return { kind: "policy", ref, object: object as KubeObject };
}
export const policyGone = (
  name: string,
  kind: "NetworkPolicy" | "CiliumNetworkPolicy" = "NetworkPolicy",
): PolicyInput => ({ kind: "policy-gone", ref: { kind, namespace: "shop", name } });
export const fromApp = (...apps: string[]) => ({
  ingress: [{ from: apps.map((app) => ({ podSelector: { matchLabels: { app } } })) }],
});
export const fromBlock = (cidr: string, except: string[] = []) => ({
  ingress: [{ from: [{ ipBlock: { cidr, except } }] }],
});
/** Everybody may come in but whom `ingressDeny` names. */
function denying(name: string, from: object, generation: number): PolicyInput {
  const spec = { ingress: [{ fromEntities: ["all"] }], ingressDeny: [from] };
  return ciliumPolicy(name, spec, generation);
}
let generations = 1;
/** Web is selected; `spec` says by what. */
export function ciliumPolicy(name: string, spec: object, generation = ++generations): PolicyInput {
  const object = {
    apiVersion: "cilium.io/v2",
    kind: "CiliumNetworkPolicy",
    metadata: { name, namespace: "shop", uid: `uid-${name}`, generation },
    spec: { endpointSelector: { matchLabels: { app: "web" } }, ...spec },
  };
  const ref = { kind: "CiliumNetworkPolicy", namespace: "shop", name } as const;
  return { kind: "policy", ref, object: object as KubeObject };
}
/** The same, of the whole cluster. */
export function clusterwidePolicy(name: string, spec: object): PolicyInput {
  const object = {
    apiVersion: "cilium.io/v2",
    kind: "CiliumClusterwideNetworkPolicy",
    metadata: { name, uid: `uid-${name}`, generation: ++generations },
    spec: { endpointSelector: { matchLabels: { app: "web" } }, ...spec },
  };
  const ref = { kind: "CiliumClusterwideNetworkPolicy", namespace: "", name } as const;
  return { kind: "policy", ref, object: object as KubeObject };
}
/** Requests for these paths on port 80, from these apps. */
export const httpFrom = (paths: readonly string[], ...apps: string[]) => ({
  ingress: [
    {
      fromEndpoints: apps.map((app) => ({ matchLabels: { app } })),
      toPorts: [
        {
          ports: [{ port: "80", protocol: "TCP" }],
          rules: { http: paths.map((path) => ({ path })) },
        },
      ],
    },
  ],
});
export function denyApp(name: string, app: string, generation = 1): PolicyInput {
  return denying(name, { fromEndpoints: [{ matchLabels: { app } }] }, generation);
}
export function denyBlock(name: string, cidr: string, generation = 1): PolicyInput {
  return denying(name, { fromCIDR: [cidr] }, generation);
}

export const web = { identity: 300, labels: podLabels("web"), namedPorts: [], audit: false };

/** An engine on maps of its own, with all it was told worked in after every `tell`. */
export class Bench implements Disposable {
  readonly node: PolicyNode;
  engine: PolicyEngine;
  /** What proxies were told: rules by port, unless they do as little as they say. */
  readonly enforced = new Map<number, ListenerRules>();
  readonly moved: MovedConnection[] = [];
  selectors: readonly string[] | undefined;
  /** Whether proxies acknowledge what they are told. */
  areProxiesWell = true;
  #sequence = 0;
  #skippedMs = 0;

  constructor(sizes: MapSizes = {}) {
    this.node = new PolicyNode(sizes);
    this.engine = this.#start();
  }

  tell(...inputs: PolicyInput[]): this {
    this.engine.add(++this.#sequence, inputs);
    return this.settle();
  }

  want(subject: number, wanted: typeof web | undefined = web): this {
    this.engine.request(subject, wanted);
    return this.settle();
  }

  settle(): this {
    for (let steps = 0; this.engine.isBusy || this.#skipMoment(); steps++) {
      assert.ok(steps < 1000, "it never ends");
      this.engine.step();
      this.#playProxies();
    }
    return this;
  }

  /** Within a moment connections are read once more; nothing else is waited for so shortly. */
  #skipMoment(): boolean {
    const { waitMs } = this.engine;
    if (waitMs === undefined || waitMs > 50) return false;
    this.#skippedMs += waitMs;
    this.engine.retry();
    return true;
  }

  /** What the main thread has: proxies that do, and say, what they are told. */
  #playProxies(): void {
    const wanted = this.engine.takeListeners();
    if (wanted?.whole) this.enforced.clear();
    for (const port of wanted?.removed ?? []) this.enforced.delete(port);
    for (const rules of wanted?.listeners ?? []) this.enforced.set(rules.port, rules);
    this.selectors = this.engine.takeFqdnSelectors() ?? this.selectors;
    for (const { number, connections } of this.engine.takeMoved()) {
      this.moved.push(...connections);
      if (this.areProxiesWell) this.engine.acknowledgeMoved(number);
    }
    if (this.areProxiesWell && wanted && wanted.listeners.length > 0) this.acknowledge();
  }

  /** All that is enforced, or, with a problem, that it is not. */
  acknowledge(problem?: string): void {
    this.engine.acknowledge(
      Array.from(this.enforced.values(), ({ port, version }) => ({ port, version, problem })),
    );
  }

  /** A pod's row names the subject; `address` is the pod's. */
  moveEndpoint(subject: number, address: string): this {
    this.node.setEndpoint(subject, address);
    this.engine.moveEndpoints(++this.#sequence);
    return this.settle();
  }

  /** As if so much time went by. */
  skip(ms: number): this {
    this.#skippedMs += ms;
    this.engine.retry();
    return this.settle();
  }

  get listenersPath(): string {
    return join(this.node.runDir, "proxy", "listeners.json");
  }

  /** Another engine on the same maps, as after a crash. `open` may put something between the two. */
  restart(open: (kernel: PolicyKernel) => PolicyKernel = (kernel) => kernel): this {
    this.engine = this.#start(open);
    return this;
  }

  /** What becomes of packets to port 80 from these identities, each at an address: "redirect 11008" and so on. */
  ingress(subject: number, ...peers: (readonly [identity: number, address: string])[]): string[] {
    const direction = "ingress" as const;
    return this.node.decide(
      peers.map(([peer, from]) => ({
        subject,
        direction,
        identity: peer,
        address: from,
        port: 80,
      })),
    );
  }

  conditions(): string[] {
    return this.engine.conditions().map(({ name, reason }) => `${name}: ${reason}`);
  }

  [Symbol.dispose](): void {
    this.node[Symbol.dispose]();
  }

  #start(open: (kernel: PolicyKernel) => PolicyKernel = (kernel) => kernel): PolicyEngine {
    const now = () => performance.now() + this.#skippedMs;
    const kernel = open(this.node.open());
    const listenersFile = new ListenersFile(this.listenersPath);
    return new PolicyEngine({ kernel, settings, listenersFile, tellsNews: true, now });
  }
}

export const cart = [301, "10.244.0.1"] as const;
export const till = [302, "10.244.0.2"] as const;
export const outside = [9, "192.0.2.1"] as const;
export const cluster: PolicyBatch = [
  ...world,
  identity(300, "web"),
  identity(301, "cart"),
  identity(302, "till"),
  address("10.244.0.1/32", 301),
  address("10.244.0.2/32", 302),
];
