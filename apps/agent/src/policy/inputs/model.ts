// What the policy worker is told: plain messages that survive structured cloning. Each says the whole of one thing, so
// the last word on a thing counts, and everything can be said again to a worker that starts anew.
import type { KubeObject } from "@tsilium/kube";
import type { NamedPort, PolicyRef } from "@tsilium/policy/model.ts";

export type PolicyInput =
  /** As the API server has it, `apiVersion` and `kind` included, without managedFields and status. Not parsed. */
  | { readonly kind: "policy"; readonly ref: PolicyRef; readonly object: KubeObject }
  | { readonly kind: "policy-gone"; readonly ref: PolicyRef }
  /** A CiliumCIDRGroup, not parsed. */
  | { readonly kind: "cidr-group"; readonly name: string; readonly object: KubeObject }
  | { readonly kind: "cidr-group-gone"; readonly name: string }
  | ServiceInput
  | { readonly kind: "service-gone"; readonly namespace: string; readonly name: string }
  | IdentityInput
  | { readonly kind: "identity-gone"; readonly id: number }
  | AddressInput
  | { readonly kind: "address-gone"; readonly prefix: string }
  /** Once, after everything that exists has been said once. What was not said until then does not exist. */
  | { readonly kind: "synced" };

/** A Service as far as `toServices` looks at it. */
export type ServiceInput = {
  readonly kind: "service";
  readonly namespace: string;
  readonly name: string;
  /** As Labels#toArray writes them, source "k8s". */
  readonly labels: readonly string[];
  /** undefined: it has none, and `backends` are its peers. */
  readonly selector: Readonly<Record<string, string>> | undefined;
  /** Host prefixes as text, sorted: "192.0.2.7/32". Empty for a service with a selector. */
  readonly backends: readonly string[];
};

/** An identity: cluster-wide, reserved, or of this node alone (scope 1: kube-apiserver outside; scope 2: nodes). */
export type IdentityInput = {
  readonly kind: "identity";
  readonly id: number;
  /** As Labels#toArray writes them. */
  readonly labels: readonly string[];
  /** Of all its endpoints on all nodes, sorted, each once. */
  readonly namedPorts: readonly NamedPort[];
};

/** The ipcache's winner for a prefix. */
export type AddressInput = {
  readonly kind: "address";
  readonly prefix: string;
  readonly identity: number;
  /** Underlay address of the node that has it; undefined for this node's and the world's. */
  readonly hostIp: string | undefined;
  /** Who has the address ("shop/cart/POD-UID", "node/node-2"); `ownerHash` (@tsilium/ipcache) makes it a number. */
  readonly owner: string;
};

/** Inputs of one turn of the event loop, at most one for each thing. */
export type PolicyBatch = readonly PolicyInput[];

/** The thing an input is about: "policy/NetworkPolicy/shop/web", "address/10.0.0.1/32". */
export function subjectKeyOf(input: PolicyInput): string {
  switch (input.kind) {
    case "policy":
    case "policy-gone":
      return `policy/${input.ref.kind}/${input.ref.namespace}/${input.ref.name}`;
    case "cidr-group":
    case "cidr-group-gone":
      return `cidr-group/${input.name}`;
    case "service":
    case "service-gone":
      return `service/${input.namespace}/${input.name}`;
    case "identity":
    case "identity-gone":
      return `identity/${input.id}`;
    case "address":
    case "address-gone":
      return `address/${input.prefix}`;
    case "synced":
      return "synced";
  }
}
