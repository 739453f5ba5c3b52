// Where the cluster's Hubble servers are: one on each node, on the port that this node's listens on.
import { type HubblePeer, hubbleServerName } from "@tsilium/hubble/observer/index.ts";
import type { FeedItem } from "../feed/model.ts";

type NodeItem = Extract<FeedItem, { kind: "node" }>;

export type PeersOptions = {
  /** undefined: nobody is served beyond this node, and nobody else is asked. */
  readonly port: number | undefined;
  readonly clusterName: string;
  readonly tls: boolean;
  /** This node's own socket, where its server has no address. */
  readonly socketPath: string;
};

export class Peers {
  readonly #options: PeersOptions;
  readonly #nodes = new Map<string, NodeItem>();

  constructor(options: PeersOptions) {
    this.#options = options;
  }

  /** False: the item is about no node. */
  note(item: FeedItem): boolean {
    if (item.kind === "node") this.#nodes.set(item.name, item);
    else if (item.kind === "node-gone") this.#nodes.delete(item.name);
    else return false;
    return true;
  }

  list(): HubblePeer[] {
    return [...this.#nodes.values()].flatMap((node) => this.#peer(node) ?? []);
  }

  #peer({ name, local, ipv4, ipv6 }: NodeItem): HubblePeer | undefined {
    const { port, clusterName, tls, socketPath } = this.#options;
    const host = ipv4 ?? (ipv6 === undefined ? undefined : `[${ipv6}]`);
    const peerName = clusterName === "default" ? name : `${clusterName}/${name}`;
    if (port === undefined || host === undefined)
      return local
        ? { name: peerName, address: `unix://${socketPath}`, tlsServerName: undefined }
        : undefined;
    const tlsServerName = tls ? hubbleServerName(name, clusterName) : undefined;
    return { name: peerName, address: `${host}:${port}`, tlsServerName };
  }
}
