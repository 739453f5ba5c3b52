// What the Hubble worker is told of the node: plain messages that survive structured cloning. Each says the whole of one
// thing, so the last word on a thing counts, and everything can be said again to a worker that starts anew.
import type { RuleName } from "@tsilium/policy/model.ts";
import type { ObjectChange } from "../../policy/model.ts";

export type FeedItem =
  /** What this node is. Comes first. */
  | {
      readonly kind: "self";
      readonly nodeName: string;
      readonly clusterName: string;
      /** "key=value", sorted. */
      readonly nodeLabels: readonly string[];
      /** SO_NETNS_COOKIE of the node's own network namespace. */
      readonly netnsCookie: bigint;
      /** The world has an identity per family. */
      readonly dualStack: boolean;
    }
  /** A pod of this node. */
  | {
      readonly kind: "endpoint";
      readonly id: number;
      readonly identity: number;
      /** As Labels#toArray writes them. */
      readonly labels: readonly string[];
      readonly namespace: string;
      readonly podName: string;
      readonly workloads: readonly Workload[];
      readonly ipv4: string | undefined;
      readonly ipv6: string | undefined;
      readonly ifindex: number;
      readonly interfaceName: string;
      readonly netnsCookie: bigint;
    }
  | { readonly kind: "endpoint-gone"; readonly id: number }
  | { readonly kind: "identity"; readonly id: number; readonly labels: readonly string[] }
  | { readonly kind: "identity-gone"; readonly id: number }
  /** The ipcache's winner for a prefix. */
  | {
      readonly kind: "address";
      readonly prefix: string;
      readonly identity: number;
      /** Underlay address of the node that has it; undefined for this node's and the world's. */
      readonly hostIp: string | undefined;
      readonly namespace: string;
      readonly podName: string;
    }
  | { readonly kind: "address-gone"; readonly prefix: string }
  /** A service's address and port, by its number in the kernel. */
  | {
      readonly kind: "frontend";
      readonly id: number;
      readonly namespace: string;
      readonly name: string;
      /** 0.0.0.0 or "::": any address of a node. */
      readonly address: string;
      /** 0, with protocol 0: the whole address. */
      readonly port: number;
      readonly protocol: number;
    }
  | { readonly kind: "frontend-gone"; readonly id: number }
  /** A device of the node. */
  | { readonly kind: "interface"; readonly index: number; readonly name: string }
  /** A node of the cluster, this one included. */
  | {
      readonly kind: "node";
      readonly name: string;
      readonly local: boolean;
      readonly ipv4: string | undefined;
      readonly ipv6: string | undefined;
    }
  | { readonly kind: "node-gone"; readonly name: string }
  /** What a rule number in an event stands for. Numbers grow and are never given again. */
  | { readonly kind: "rule"; readonly number: number; readonly name: RuleName }
  /** A policy that came, changed or went; not part of the state. */
  | ({ readonly kind: "policy" } & ObjectChange)
  /** Once, after everything that is known has been said once. */
  | { readonly kind: "synced" };

export type Workload = { readonly name: string; readonly kind: string };

/** The thing an item is about. */
export function feedKeyOf(item: FeedItem): string {
  switch (item.kind) {
    case "self":
    case "synced":
      return item.kind;
    case "endpoint":
    case "endpoint-gone":
      return `endpoint/${item.id}`;
    case "identity":
    case "identity-gone":
      return `identity/${item.id}`;
    case "address":
    case "address-gone":
      return `address/${item.prefix}`;
    case "frontend":
    case "frontend-gone":
      return `frontend/${item.id}`;
    case "interface":
      return `interface/${item.index}`;
    case "node":
    case "node-gone":
      return `node/${item.name}`;
    case "rule":
      return `rule/${item.number}`;
    case "policy":
      return `policy/${item.ref.kind}/${item.ref.namespace}/${item.ref.name}`;
  }
}
