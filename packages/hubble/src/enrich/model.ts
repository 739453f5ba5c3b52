// What flows are enriched with: plain messages that survive structured cloning. Each says the whole of one thing, so the
// last word on a thing counts, and everything may be said again.
import type { Workload } from "../model.ts";

/** A policy object. */
export type PolicyObject = {
  readonly kind: string;
  /** "" for objects without a namespace. */
  readonly namespace: string;
  readonly name: string;
};

/** What a rule number in an event stands for (RuleName of @tsilium/policy). */
export type RuleCause =
  | {
      readonly kind: "rule";
      readonly ref: PolicyObject;
      /** Of the rule in the object: "spec.ingress[0]". */
      readonly path: string;
      /** What it looks at. */
      readonly matches?: {
        readonly peers: boolean;
        readonly ports: "any" | "protocol" | "port";
      };
      /** What flows that it decides are to say. */
      readonly log?: string;
    }
  | {
      readonly kind: "default-deny";
      readonly by: readonly { readonly ref: PolicyObject; readonly path: string }[];
    }
  | { readonly kind: "builtin"; readonly reason: string };

export type EnrichItem =
  /** What this node is. */
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
  | EndpointItem
  | { readonly kind: "endpoint-gone"; readonly id: number }
  | { readonly kind: "identity"; readonly id: number; readonly labels: readonly string[] }
  | { readonly kind: "identity-gone"; readonly id: number }
  | AddressItem
  | { readonly kind: "address-gone"; readonly prefix: string }
  | FrontendItem
  | { readonly kind: "frontend-gone"; readonly id: number }
  /** A device of this node. */
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
  | { readonly kind: "rule"; readonly number: number; readonly name: RuleCause }
  /** A policy that came or changed, at the agent's revision; `gone`: it went. */
  | {
      readonly kind: "policy";
      readonly ref: PolicyObject;
      readonly revision: number;
      readonly gone: boolean;
    }
  /** Everything that is known has been said once. */
  | { readonly kind: "synced" };

/** A pod of this node. */
export type EndpointItem = {
  readonly kind: "endpoint";
  readonly id: number;
  readonly identity: number;
  readonly labels: readonly string[];
  readonly namespace: string;
  readonly podName: string;
  readonly workloads: readonly Workload[];
  readonly ipv4: string | undefined;
  readonly ipv6: string | undefined;
  readonly ifindex: number;
  readonly interfaceName: string;
  readonly netnsCookie: bigint;
};

/** Whose a prefix is, anywhere. */
export type AddressItem = {
  readonly kind: "address";
  readonly prefix: string;
  readonly identity: number;
  readonly namespace: string;
  readonly podName: string;
};

/** A service's address and port, by its number in the kernel. */
export type FrontendItem = {
  readonly kind: "frontend";
  readonly id: number;
  readonly namespace: string;
  readonly name: string;
  /** 0.0.0.0 or "::": any address of a node. */
  readonly address: string;
  /** 0, with protocol 0: the whole address. */
  readonly port: number;
  readonly protocol: number;
};
