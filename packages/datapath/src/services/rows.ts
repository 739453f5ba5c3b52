// Services as map rows and back: the words of model.ts against the structs and numbers of bpf/maps/service.h.
import { Address, Prefix } from "@tsilium/net";
import {
  backendAlgorithm,
  backendSetFlags,
  backendState,
  frontendFlags,
  type Backend,
  type BackendSet,
  type ExceptionKey,
  type Frontend,
  type FrontendAddress,
  type FrontendKey as FrontendKeyRow,
  type SourceRangeKey,
} from "../gen/abi.ts";
import type {
  BackendEntry,
  BackendSetEntry,
  FrontendEntry,
  FrontendKey,
  FrontendKind,
  ServiceException,
  SourceRange,
} from "../model.ts";
import { fromMappedBytes, fromPrefixKey, mappedBytes, prefixKey } from "../tables/address-key.ts";

/** In a slot's key: the rest is a backend, and the entry says that it is in the set (BACKEND_MEMBER_KEY). */
export const memberKeyBit = 0x8000_0000;

const kindFlags: Readonly<Record<FrontendKind, number>> = {
  "cluster-ip": frontendFlags.clusterIp,
  "node-port": frontendFlags.nodePort,
  external: frontendFlags.external,
  "host-port": frontendFlags.hostPort,
  "address-only": frontendFlags.addressOnly,
};
const kinds = Object.entries(kindFlags) as [FrontendKind, number][];

export function frontendKey({ address, port, protocol }: FrontendKey): FrontendKeyRow {
  return { address: mappedBytes(address), port, protocol };
}

export function fromFrontendKey({ address, port, protocol }: FrontendKeyRow): FrontendKey {
  return { address: fromMappedBytes(address), port, protocol };
}

export function frontendRow(entry: FrontendEntry): Frontend {
  return {
    id: entry.id,
    externalSet: entry.externalSet,
    internalSet: entry.internalSet,
    flags:
      kindFlags[entry.kind] |
      (entry.localRedirect ? frontendFlags.localRedirect : 0) |
      (entry.hasSourceRanges ? frontendFlags.sourceRanges : 0) |
      (entry.dsr ? frontendFlags.dsr : 0) |
      (entry.hasExceptions ? frontendFlags.exceptions : 0),
  };
}

/** A row without a kind that we know, of another version's, reads as a cluster IP's: nobody from outside gets in. */
export function frontendEntry(key: FrontendKeyRow, row: Frontend): FrontendEntry {
  const has = (flag: number): boolean => (row.flags & flag) !== 0;
  return {
    ...fromFrontendKey(key),
    id: row.id,
    kind: kinds.find(([, flag]) => has(flag))?.[0] ?? "cluster-ip",
    externalSet: row.externalSet,
    internalSet: row.internalSet,
    localRedirect: has(frontendFlags.localRedirect),
    dsr: has(frontendFlags.dsr),
    hasSourceRanges: has(frontendFlags.sourceRanges),
    hasExceptions: has(frontendFlags.exceptions),
  };
}

/**
 * What answers are given as their source. undefined where none ever needs it: sockets that asked for any node's address
 * remember the one they named, and what has no port has no answers.
 */
export function frontendAddress({
  address,
  port,
  kind,
}: FrontendEntry): FrontendAddress | undefined {
  if (address === undefined || kind === "address-only") return undefined;
  return { address: mappedBytes(address), port };
}

export function backendRow({ address, port, protocol, state }: BackendEntry): Backend {
  return { address: mappedBytes(address), port, protocol, state: backendState[state] };
}

export function backendEntry(id: number, row: Backend): BackendEntry {
  return {
    id,
    address: fromMappedBytes(row.address) ?? Address.fromBytes(row.address),
    port: row.port,
    protocol: row.protocol,
    state: row.state === backendState.terminating ? "terminating" : "active",
  };
}

export function setRow({
  backends,
  affinityTimeoutS,
  silent,
  maglev,
}: BackendSetEntry): BackendSet {
  return {
    count: backends.length,
    affinityTimeoutS,
    algorithm: maglev === undefined ? backendAlgorithm.random : backendAlgorithm.maglev,
    flags: silent ? backendSetFlags.silent : 0,
    reservedWord: 0,
  };
}

/** tsi_lb_set is an array: what is not there is all zero. */
export const noSet: BackendSet = {
  count: 0,
  affinityTimeoutS: 0,
  algorithm: 0,
  flags: 0,
  reservedWord: 0,
};

/**
 * Maglev tables stay in the kernel: `maglev` is empty where there is one. A set that is to use one but has none reads as
 * random, so that it is written anew.
 */
export function setEntry(
  id: number,
  parts: { readonly row: BackendSet; readonly backends: readonly number[]; hasMaglev: boolean },
): BackendSetEntry {
  const { row, backends, hasMaglev } = parts;
  const usesMaglev = row.algorithm === backendAlgorithm.maglev && hasMaglev;
  return {
    id,
    backends,
    affinityTimeoutS: row.affinityTimeoutS,
    silent: (row.flags & backendSetFlags.silent) !== 0,
    maglev: usesMaglev ? new Uint32Array(0) : undefined,
  };
}

const frontendBits = 32;

export function sourceKey({ frontend, prefix }: SourceRange): SourceRangeKey {
  const { prefixlen, address } = prefixKey(prefix);
  return { prefixlen: frontendBits + prefixlen, frontend, address };
}

export function sourceRange({ prefixlen, frontend, address }: SourceRangeKey): SourceRange {
  const prefix: Prefix = fromPrefixKey({ prefixlen: prefixlen - frontendBits, address });
  return { frontend, prefix };
}

export function exceptionKey(exception: ServiceException): ExceptionKey {
  return { netnsCookie: exception.netnsCookie, ...frontendKey(exception) };
}

export function serviceException(key: ExceptionKey): ServiceException {
  return { netnsCookie: key.netnsCookie, ...fromFrontendKey(key) };
}

/** One text per key, to find it again by. */
export function keyText({ address, port, protocol }: FrontendKey): string {
  return `${address ?? "*"} ${port} ${protocol}`;
}

export function rangeText({ frontend, prefix }: SourceRange): string {
  return `${frontend} ${prefix}`;
}

export function exceptionText(exception: ServiceException): string {
  return `${exception.netnsCookie} ${keyText(exception)}`;
}
