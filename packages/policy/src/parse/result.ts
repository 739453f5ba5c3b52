// What parsing a policy object answers.
import type { CidrGroup, Policy } from "../model.ts";

/** What is wrong, or odd, and where: paths as in the causes of Kubernetes' answers ("spec.ingress[0].toPorts[1].ports[0].port"). */
export type Problem = {
  readonly path: string;
  readonly message: string;
  /** What stands there, when it is a string, a number or a boolean. */
  readonly value?: string | number | boolean;
};

/** A policy is understood whole, or not at all. Warnings are about what is legal and hardly meant. */
export type ParseResult =
  | { readonly ok: true; readonly policy: Policy; readonly warnings: readonly Problem[] }
  | { readonly ok: false; readonly problems: readonly Problem[] };

export type CidrGroupResult =
  | { readonly ok: true; readonly group: CidrGroup; readonly warnings: readonly Problem[] }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** The configuration that policies depend on. */
export type ParseOptions = {
  readonly clusterName: string;
  /** "any", the default and Kubernetes' own meaning: an ipBlock matches pods and nodes too. "external": as Cilium has it. */
  readonly kubernetesIpBlock?: "any" | "external";
  /** enable-node-selector-labels: nodes have identities with their labels. Without them, peers by node labels are refused. */
  readonly nodeSelectorLabels?: boolean;
};
