// Claims the addresses of nodes, and of the API server where no node has it, with the identities they have.
//
//   nodes --------------------\
//   API server's addresses ----> identity of each node --> claims, numbers for identities of this node's own
//   labels of nodes ----------/
import type { LocalIdentities } from "@tsilium/identity";
import { type Identity, ReservedIdentity } from "@tsilium/identity/model.ts";
import type { IpcacheClaim } from "@tsilium/ipcache/model.ts";
import type { Node as KubeNode } from "@tsilium/kube";
import type { Address } from "@tsilium/net";
import type { Node } from "@tsilium/node/model.ts";
import type { Table } from "@tsilium/tables";
import type { NodeFacts } from "../node/facts.ts";
import { apiServerClaim, apiServerOwner, nodeClaims } from "./claims.ts";
import type { ClaimKeeper } from "./keeper.ts";
import { externalApiServerLabels, hostLabels, remoteNodeIdentity } from "./node-identity.ts";

export type NodeClaimsOptions = {
  readonly claims: ClaimKeeper;
  /** This node, which claims its addresses whether or not the API server knows of it. */
  readonly facts: NodeFacts;
  readonly dualStack: boolean;
  readonly nodes: Table<Node>;
  readonly apiServer: Table<Address>;
  /** Nodes with their labels; undefined: labels of nodes make no identities. */
  readonly nodeLabels: Table<KubeNode> | undefined;
  /** All identities: the host's own is kept true here. */
  readonly identities: Table<Identity>;
  readonly localIdentities: LocalIdentities;
  /** Resolves when the tables hold what the API server holds. */
  readonly heard: Promise<unknown>;
};

/** `start` begins; disposing ends it, and leaves the claims. */
export class NodeClaims implements Disposable {
  readonly #options: NodeClaimsOptions;
  readonly #subscriptions = new DisposableStack();
  /** Local identities that the claims of an owner hold. */
  readonly #held = new Map<string, readonly number[]>();
  /** Nodes as they were claimed, by name. */
  readonly #derived = new Map<string, Node>();
  /** Names of nodes by their addresses. */
  readonly #names = new Map<string, string>();
  #complete = false;

  constructor(options: NodeClaimsOptions) {
    this.#options = options;
  }

  start(): void {
    const { facts, nodes, apiServer, nodeLabels, heard } = this.#options;
    this.#deriveNode(facts.name);
    // The kernel knows other nodes from before a restart. By half of what makes their identity they would be somebody
    // else for a moment.
    heard.then(
      () => {
        this.#complete = true;
        this.#deriveAll();
      },
      () => undefined,
    );
    const derive = (name: string | undefined) => {
      this.#deriveNode(name ?? "");
      this.#deriveExternal();
    };
    this.#subscriptions.use(nodes.subscribe(({ row }) => derive(row.name)));
    this.#subscriptions.use(apiServer.subscribe(() => this.#deriveAll()));
    const labels = nodeLabels?.subscribe(({ row }) => derive(row.metadata.name));
    if (labels) this.#subscriptions.use(labels);
  }

  [Symbol.dispose](): void {
    this.#subscriptions[Symbol.dispose]();
  }

  #deriveAll(): void {
    const { facts, nodes } = this.#options;
    const names = [...nodes.values()].map(({ name }) => name);
    for (const name of new Set([facts.name, ...names])) this.#deriveNode(name);
    this.#deriveExternal();
  }

  #deriveNode(name: string): void {
    const node = this.#find(name);
    this.#index(name, node);
    if (!node) return this.#say(`node/${name}`, []);
    const { id, held } = this.#identify(node);
    this.#say(`node/${name}`, nodeClaims(node, id), held);
  }

  #index(name: string, node: Node | undefined): void {
    const before = this.#derived.get(name);
    for (const address of before ? addressesOf(before) : []) this.#names.delete(address.toString());
    for (const address of node ? addressesOf(node) : []) this.#names.set(address.toString(), name);
    if (node) this.#derived.set(name, node);
    else this.#derived.delete(name);
  }

  /** The API server, where no node of the cluster is it. */
  #deriveExternal(): void {
    if (!this.#complete) return;
    const { apiServer, localIdentities, dualStack } = this.#options;
    const found = [...apiServer.values()]
      .filter((address) => !this.#names.has(address.toString()))
      .map((address) => {
        const labels = externalApiServerLabels(address.family, dualStack);
        return { address, id: localIdentities.acquire("external", labels) };
      });
    this.#say(
      apiServerOwner,
      found.map(({ address, id }) => apiServerClaim(address, id)),
      found.map(({ id }) => id),
    );
  }

  #find(name: string): Node | undefined {
    const { facts, nodes } = this.#options;
    if (name === facts.name) return { ...facts, local: true, labels: {} };
    return this.#complete ? nodes.get(name) : undefined;
  }

  #identify(node: Node): { readonly id: number; readonly held?: readonly number[] } {
    const { apiServer, nodeLabels, identities, localIdentities } = this.#options;
    // All addresses of a node are as good as the one that the API server is found by: through the tunnel its packets
    // come from the router's.
    const isApiServer = addressesOf(node).some((address) => apiServer.has(address.toString()));
    const labels = nodeLabels && (nodeLabels.get(node.name)?.metadata.labels ?? {});
    const facts = { isApiServer, nodeLabels: labels };
    if (node.local) {
      const id = ReservedIdentity.host;
      identities.upsert({ id, labels: hostLabels(facts), reserved: true });
      return { id };
    }
    const identity = remoteNodeIdentity(facts);
    if ("id" in identity) return identity;
    const id = localIdentities.acquire("node", identity.labels);
    return { id, held: [id] };
  }

  /** An identity is there before the first claim that has it, and goes after the last. */
  #say(owner: string, claims: readonly IpcacheClaim[], held: readonly number[] = []): void {
    const { claims: keeper, localIdentities } = this.#options;
    keeper.set(owner, claims);
    for (const id of this.#held.get(owner) ?? []) localIdentities.release(id);
    if (held.length > 0) this.#held.set(owner, held);
    else this.#held.delete(owner);
  }
}

function addressesOf({ ipv4, ipv6, routerIpv4, routerIpv6 }: Node): Address[] {
  return [ipv4, ipv6, routerIpv4, routerIpv6].filter((address) => address !== undefined);
}
