// Services as REST and CLI show them: what the kernel serves, with the numbers that it has there.
import type { ServiceBook } from "./book/book.ts";
import type { FrontendRow } from "./book/frontends.ts";
import type { Candidate } from "./book/precedence.ts";
import {
  type BackendRow,
  type DecidedBackend,
  type DecidedService,
  type DecidedSet,
  serviceProtocols,
  type ServiceRow,
} from "./model.ts";

/** A service's frontends that it has; those for a whole address are left out. */
export function serviceRows(book: ServiceBook, service: DecidedService): ServiceRow[] {
  return service.frontends.flatMap(({ key }) => {
    const row = book.frontend(key);
    return row?.holder?.service === service ? (rowOf(book, row, row.holder) ?? []) : [];
  });
}

/** All of them, by their numbers. */
export function allServiceRows(book: ServiceBook): ServiceRow[] {
  return [...book.services()]
    .flatMap((service) => serviceRows(book, service))
    .toSorted((a, b) => a.id - b.id);
}

function rowOf(
  book: ServiceBook,
  row: FrontendRow,
  { service, frontend }: Candidate,
): ServiceRow | undefined {
  const { protocol, external, internal } = frontend;
  if (protocol === 0 || !external || !internal) return undefined;
  const isSplit = external !== internal && !hasSameBackends(external, internal);
  return {
    id: row.id,
    frontend: {
      address: `${frontend.address}`,
      port: frontend.port,
      protocol: serviceProtocols[protocol],
    },
    type: frontend.localRedirect ? "LocalRedirect" : frontend.type,
    name: service.name,
    namespace: service.namespace,
    portName: frontend.portName,
    flags: flagsOf({ service, frontend }),
    backends: backendRows(book, { service, frontend }, internal),
    ...(isSplit ? { externalBackends: backendRows(book, { service, frontend }, external) } : {}),
  };
}

function flagsOf({ service, frontend }: Candidate): ServiceRow["flags"] {
  const { external, sourceRanges } = frontend;
  const { externalTrafficPolicy, internalTrafficPolicy, healthCheck } = service;
  return {
    externalTrafficPolicy,
    internalTrafficPolicy,
    sessionAffinityTimeout: external?.affinityTimeoutS ?? 0,
    algorithm: external?.maglev ? "maglev" : "random",
    forwardingMode: frontend.dsr ? "dsr" : "snat",
    localRedirect: frontend.localRedirect,
    ...(sourceRanges ? { sourceRanges: sourceRanges.map(String) } : {}),
    ...(healthCheck ? { healthCheckNodePort: healthCheck.port } : {}),
  };
}

function hasSameBackends(a: DecidedSet, b: DecidedSet): boolean {
  return (
    a.backends.length === b.backends.length &&
    a.backends.every((backend, index) => backend === b.backends[index])
  );
}

/** Those that get new flows first, then those that keep what they have. */
function backendRows(
  book: ServiceBook,
  { frontend: { pool } }: Candidate,
  set: DecidedSet,
): BackendRow[] {
  const chosen = new Set(set.backends);
  const leaving = (pool?.backends ?? []).filter(
    (backend) => backend.state !== "active" && !chosen.has(backend),
  );
  return [...set.backends, ...leaving].map((backend) => backendRow(book, backend));
}

function backendRow(book: ServiceBook, backend: DecidedBackend): BackendRow {
  const { key, address, port, protocol, state, nodeName, zone, weight } = backend;
  return {
    id: book.backend(key)?.id ?? 0,
    address: `${address}`,
    port,
    protocol: serviceProtocols[protocol],
    state,
    ...(nodeName === undefined ? {} : { nodeName }),
    ...(zone === undefined ? {} : { zone }),
    weight,
  };
}
