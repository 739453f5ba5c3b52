// Which of several claims on one prefix wins. Pure.
import type { Address } from "@tsilium/net";
import { type IpcacheClaim, type IpcacheSource, sourcePrecedence } from "./model.ts";

/** A claim with its place in the order of arrival. */
export type DatedClaim = { readonly claim: IpcacheClaim; readonly sequence: number };

/** Why a claim loses against another on the same prefix. */
export type Weakness = "a stronger source" | "a node has it" | "a later claim of the same source";

/**
 * Order of claims on one prefix, the winner first: by source, then nodes before pods, then the latest. An address that
 * is handed from one pod to the next is claimed by both objects for a while; the later one is right. A node's address
 * that a pod claims was that pod's once: its object outlived it, and may be heard of again at any time.
 */
export function compareClaims(a: DatedClaim, b: DatedClaim): number {
  return (
    rankOf(a.claim.source) - rankOf(b.claim.source) ||
    Number(isPods(a.claim)) - Number(isPods(b.claim)) ||
    b.sequence - a.sequence
  );
}

/** Why `claim` comes after `strongest` in the order above. */
export function weaknessOf(claim: IpcacheClaim, strongest: IpcacheClaim): Weakness {
  if (rankOf(claim.source) > rankOf(strongest.source)) return "a stronger source";
  return isPods(claim) && !isPods(strongest) ? "a node has it" : "a later claim of the same source";
}

/** 0 is the strongest. */
function rankOf(source: IpcacheSource): number {
  return sourcePrecedence.indexOf(source);
}

/** Whether two claims of the same prefix, source and owner say the same. */
export function saysTheSame(a: IpcacheClaim, b: IpcacheClaim): boolean {
  return (
    a.identity === b.identity &&
    a.ownerUid === b.ownerUid &&
    isSameAddress(a.hostIp, b.hostIp) &&
    a.namespace === b.namespace &&
    a.podName === b.podName
  );
}

function isSameAddress(a: Address | undefined, b: Address | undefined): boolean {
  return a === b || (a !== undefined && b !== undefined && a.equals(b));
}

function isPods({ podName }: IpcacheClaim): boolean {
  return podName !== undefined;
}
