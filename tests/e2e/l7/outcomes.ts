// What became of flows' requests, and what should have.
import assert from "node:assert/strict";
import type { FlipWindows } from "../revocation/flips.ts";
import type { Outcome, Outcomes } from "./load.ts";
import { upstreamPorts } from "./run-rows.ts";

/** Statuses by path. */
export type Expected = Readonly<Record<string, number>>;

const names = { allowed: 0, refused: 5 } as const;

export function requestsIn(outcomes: Outcomes): number {
  return Object.values(outcomes).reduce((sum, { requests }) => sum + requests.length, 0);
}

/** Fails if a connection has ended, or an answer did not come. */
export function assertUnbroken(outcomes: Outcomes): void {
  const broken = Object.entries(outcomes).flatMap(([id, { ended, requests }]) => [
    ...(ended ? [`${id} ended: ${ended.how}`] : []),
    ...requests.filter(isLost).map((request) => `${id}: ${textOf(request)}`),
  ]);
  assert.deepEqual(broken.slice(0, 10), []);
}

/**
 * Requests that came to something else than they should: of paths that are not named nothing is said.
 * @param lost whether a request may have no answer
 */
export function wrongIn(outcomes: Outcomes, expected: Expected, lost?: "lost"): string[] {
  const wrong = Object.entries(outcomes).flatMap(([id, { requests }]) =>
    requests.flatMap((request) => {
      const [path, , , status, port] = request;
      if (isLost(request)) return lost ? [] : [`${id}: ${textOf(request)}`];
      if (!path.startsWith("/"))
        return status === (path.includes(".world.test") ? names.allowed : names.refused)
          ? []
          : [`${id}: ${textOf(request)}`];
      const isPast = status === 200 && (port < upstreamPorts.first || port > upstreamPorts.last);
      if (isPast) return [`${id}: past the proxies, from port ${port}: ${textOf(request)}`];
      // (An engine that has just been started refuses what it does not know yet.)
      if (lost && status === 403) return [];
      return path in expected && status !== expected[path] ? [`${id}: ${textOf(request)}`] : [];
    }),
  );
  return wrong.slice(0, 10);
}

/** Requests for a path, begun and answered within a window, that were judged by what held in another. */
export function wrongWithin(
  outcomes: Outcomes,
  flipped: string,
  { denied, allowed }: FlipWindows,
): string[] {
  const all = Object.entries(outcomes).flatMap(([id, { requests }]) =>
    requests.filter(([path]) => path === flipped).map((request) => [id, request] as const),
  );
  const look = (windows: FlipWindows["denied"], wanted: number) =>
    windows.flatMap(({ sentence, fromNs, toNs }) => {
      const [fromUs, toUs] = [Number(fromNs / 1000n), Number(toNs / 1000n)];
      const within = all.filter(([, [, sentUs, doneUs]]) => sentUs >= fromUs && doneUs <= toUs);
      if (within.length === 0) return [`${sentence}: nothing was asked meanwhile`];
      return within
        .filter(([, [, , , status]]) => status !== wanted)
        .map(([id, request]) => `${sentence}: ${id}: ${textOf(request)}, not ${wanted}`);
    });
  return [...look(denied, 403), ...look(allowed, 200)].slice(0, 10);
}

/** No answer of a server: none at all, or a proxy's word that the next one gave it none. */
export function isLost([path, , , status]: Outcome): boolean {
  return typeof status === "string" || (path.startsWith("/") && status >= 500);
}

function textOf([path, sentUs, doneUs, status]: Outcome): string {
  return `${path} ${status} after ${doneUs - sentUs} us`;
}
