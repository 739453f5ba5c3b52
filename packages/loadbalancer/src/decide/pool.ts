// All endpoints of a service port and family, from all slices.
import type { Family } from "@tsilium/net";
import type { ParsedSlice } from "../kube/slice.ts";
import type { ParsedPort } from "../kube/service.ts";
import { type BackendPool, type DecidedBackend, serviceProtocols } from "../model.ts";

export type PoolQuestion = {
  readonly port: ParsedPort;
  readonly family: Family;
  /** Backends that would lead back to the service itself. */
  isOwnFrontend(backend: DecidedBackend): boolean;
};

/** `slices` in order of their names, so that the same endpoints are always in the same order. */
export function poolOf(slices: readonly ParsedSlice[], question: PoolQuestion): BackendPool {
  const { port, family, isOwnFrontend } = question;
  const found = slices
    .filter((slice) => slice.family === family)
    .flatMap(
      ({ ports }) =>
        ports.find(({ name, protocol }) => name === port.name && protocol === port.protocol)
          ?.backends ?? [],
    )
    .filter((backend) => !isOwnFrontend(backend));
  const key = `${port.port}/${serviceProtocols[port.protocol]}/${family}`;
  return { key, backends: withoutTwins(found) };
}

/** An endpoint on its way from one slice to another is in both, a pod and its successor have one address: the more useful counts. */
export function withoutTwins(backends: readonly DecidedBackend[]): readonly DecidedBackend[] {
  if (!mayHaveTwins(backends)) return backends;
  const byKey = new Map<string, DecidedBackend>();
  for (const backend of backends) {
    const other = byKey.get(backend.key);
    if (!other || usefulness(backend) > usefulness(other)) byKey.set(backend.key, backend);
  }
  return [...byKey.values()];
}

/** By a hash of addresses: of 10,000 endpoints a map of texts takes ten times as long. */
function mayHaveTwins(backends: readonly DecidedBackend[]): boolean {
  const seen = new Set<number>();
  for (const { address, port } of backends) {
    let hash = port;
    for (const byte of address.bytes) hash = (Math.imul(hash, 31) + byte) & 0x3fff_ffff;
    seen.add(hash);
  }
  return seen.size < backends.length;
}

function usefulness({ state, serving }: DecidedBackend): number {
  if (state === "active") return 2;
  return serving ? 1 : 0;
}
