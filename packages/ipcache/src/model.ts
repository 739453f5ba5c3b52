// The address-to-identity table and the order in which its sources win.
import type { Address, Prefix } from "@tsilium/net";

/** Sources of an address's identity, strongest first. Only the strongest source's row reaches the kernel. */
export const sourcePrecedence = [
  "local",
  "kvstore",
  "custom-resource",
  "kubernetes",
  "generated",
  // What names made of an address outside the cluster: whoever else has it knows better.
  "fqdn",
  "restored",
] as const;
export type IpcacheSource = (typeof sourcePrecedence)[number];

/** What one source says of one prefix. Keyed by (prefix, source, owner). */
export type IpcacheClaim = {
  readonly prefix: Prefix;
  readonly source: IpcacheSource;
  /** The object that makes the claim, for explanations: "endpoint/12", "ciliumendpoint/ns/name", "node/node-2". */
  readonly owner: string;
  /** UID of the pod, or of the container, that has the address: another of the same name is another owner. */
  readonly ownerUid?: string;
  readonly identity: number;
  /** Address of the node that has it (underlay); undefined for local and world. */
  readonly hostIp: Address | undefined;
  readonly namespace?: string;
  readonly podName?: string;
};

/** The winner per prefix: what the kernel holds and what `ip list` prints. */
export type IpcacheRow = IpcacheClaim & {
  /** How many claims there are on this prefix, the winning one counted. */
  readonly claims: number;
};

/** One line of an explanation: a claim that covers the address asked for. */
export type ExplainedClaim = IpcacheClaim & {
  /** True for the one claim that decides the address's identity. */
  readonly wins: boolean;
  /** Why it does not win; undefined for the winner. */
  readonly lostTo:
    | "a longer prefix"
    | "a stronger source"
    | "a node has it"
    | "a later claim of the same source"
    | undefined;
};
