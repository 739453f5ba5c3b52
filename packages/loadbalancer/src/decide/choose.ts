// Which endpoints of a pool get new flows: kube-proxy's rules (pkg/proxy/topology.go; KEP-1669, KEP-2433, KEP-3015).
import type { DecidedBackend, NodeFacts } from "../model.ts";

export type ChooseOptions = {
  readonly facts: NodeFacts;
  readonly heedsHints: boolean;
};

/** Of the whole cluster: ready ones, those hinted for this node or zone if hints can be relied on; or terminating ones. */
export function chooseCluster(
  pool: readonly DecidedBackend[],
  options: ChooseOptions,
): readonly DecidedBackend[] {
  const active = pool.filter(isActive);
  if (active.length === 0) return pool.filter(isServing);
  return (options.heedsHints ? chooseByHints(active, options.facts) : undefined) ?? active;
}

/** Of this node alone. Hints do not matter here. */
export function chooseLocal(
  pool: readonly DecidedBackend[],
  { facts }: ChooseOptions,
): readonly DecidedBackend[] {
  const local = pool.filter(({ nodeName }) => nodeName === facts.name);
  const active = local.filter(isActive);
  return active.length > 0 ? active : local.filter(isServing);
}

/** Whether anybody in the cluster could take new flows. */
export function isServed(pool: readonly DecidedBackend[]): boolean {
  return pool.some((backend) => isActive(backend) || isServing(backend));
}

/** undefined: some endpoint has no hint, or none is for us, and hints say nothing. */
function chooseByHints(
  active: readonly DecidedBackend[],
  { name, zone }: NodeFacts,
): readonly DecidedBackend[] | undefined {
  return (
    hintedFor(active, (backend) => backend.forNodes, name) ??
    (zone === undefined ? undefined : hintedFor(active, (backend) => backend.forZones, zone))
  );
}

function hintedFor(
  active: readonly DecidedBackend[],
  hintsOf: (backend: DecidedBackend) => readonly string[] | undefined,
  wanted: string,
): readonly DecidedBackend[] | undefined {
  if (!active.every((backend) => hintsOf(backend))) return undefined;
  const found = active.filter((backend) => hintsOf(backend)?.includes(wanted));
  return found.length > 0 ? found : undefined;
}

function isActive({ state }: DecidedBackend): boolean {
  return state === "active";
}

function isServing({ state, serving }: DecidedBackend): boolean {
  return state === "terminating" && serving;
}
