// Nodes as kernel map entries (whose VXLAN is believed) and routes (to whose pods).
import type { NodeEntry, RoutedNode } from "@tsilium/datapath/model.ts";
import type { Address } from "@tsilium/net";
import type { Node } from "@tsilium/node/model.ts";
import type { Operations } from "@tsilium/tables";

export type NodeMap = {
  upsert(entry: NodeEntry): void;
  delete(address: Address): unknown;
  list(): readonly NodeEntry[];
};

export type NodeRouter = {
  upsertNode(node: RoutedNode): void;
  deleteNode(node: RoutedNode): void;
  /** Removes the routes of nodes that are not among these. */
  prune(nodes: readonly RoutedNode[]): void;
};

export type NodeOptions = {
  readonly map: NodeMap;
  readonly routes: NodeRouter;
  /** Until this says so, nodes that the kernel knows and the table does not are left alone. */
  readonly complete: () => boolean;
};

/** Operations for a reconciler over the table of nodes. */
export function nodeOperations({ map, routes, complete }: NodeOptions): Operations<Node> {
  const written = new Map<string, Node>();
  return {
    update(node) {
      for (const address of addressesOf(node)) map.upsert({ address, local: node.local });
      if (!node.local) routes.upsertNode(node);
      const before = written.get(node.name);
      written.set(node.name, node);
      if (before) forgetAddresses(map, before, node);
    },
    delete(node) {
      for (const address of addressesOf(node)) map.delete(address);
      if (!node.local) routes.deleteNode(node);
      written.delete(node.name);
    },
    prune(nodes) {
      if (!complete()) return;
      routes.prune(nodes.filter(({ local }) => !local));
      const known = new Set(nodes.flatMap(addressesOf).map(String));
      for (const { address } of map.list()) if (!known.has(address.toString())) map.delete(address);
    },
  };
}

function addressesOf({ ipv4, ipv6 }: Node): Address[] {
  return [ipv4, ipv6].filter((address) => address !== undefined);
}

function forgetAddresses(map: NodeMap, before: Node, now: Node): void {
  const kept = new Set(addressesOf(now).map(String));
  for (const address of addressesOf(before)) if (!kept.has(address.toString())) map.delete(address);
}
