// Which of several claims on one prefix wins. Pure.
import { type IpcacheClaim, type IpcacheSource, sourcePrecedence } from "./model.ts";

/** A claim with its place in the order of arrival. */
export type DatedClaim = { readonly claim: IpcacheClaim; readonly sequence: number };

/**
 * Order of claims on one prefix, the winner first: by source, and among claims of one source the latest. An
 * address that is handed from one pod to the next is claimed by both objects for a while; the later one is right.
 */
export function compareClaims(a: DatedClaim, b: DatedClaim): number {
  return rankOf(a.claim.source) - rankOf(b.claim.source) || b.sequence - a.sequence;
}

/** 0 is the strongest. */
export function rankOf(source: IpcacheSource): number {
  return sourcePrecedence.indexOf(source);
}

/** Whether two claims of the same prefix, source and owner say the same. */
export function saysTheSame(a: IpcacheClaim, b: IpcacheClaim): boolean {
  return (
    a.identity === b.identity &&
    a.hostIp?.toString() === b.hostIp?.toString() &&
    a.namespace === b.namespace &&
    a.podName === b.podName
  );
}
