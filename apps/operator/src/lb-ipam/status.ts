// What the statuses of services and pools should say. Pure. Others' conditions and others' addresses stay as they are.
import type {
  CiliumLoadBalancerIPPool,
  Condition,
  LoadBalancerIngress,
  Service,
} from "@tsilium/kube";
import { Address } from "@tsilium/net";
import type { Outcome, PoolProblem, PoolState } from "./model.ts";

/** Tells whether a service has what it asks for, and that its addresses are ours. */
export const requestCondition = "cilium.io/IPAMRequestSatisfied";

/** Canonical texts of addresses. */
export type AddressTexts = ReadonlySet<string>;

export type StatusPatch = {
  /** null: the field goes, as a merge patch says it. */
  readonly loadBalancer: { readonly ingress: readonly LoadBalancerIngress[] | null };
  readonly conditions: readonly Condition[];
};

type Wanted = Pick<Condition, "type" | "status" | "reason" | "message">;

/** Whether the operator's condition is on it. */
export function isClaimed({ status }: Service): boolean {
  return status?.conditions?.some(({ type }) => type === requestCondition) === true;
}

/** Entries of its status that are none of these addresses: others' and names. */
export function entriesBeside({ status }: Service, ours: AddressTexts): LoadBalancerIngress[] {
  return (status?.loadBalancer?.ingress ?? []).filter((entry) => !ours.has(addressText(entry)));
}

/** @param given addresses that we gave, then or now; those that it has no more are taken from its status */
export function servedStatus(
  service: Service,
  { outcome, given }: { readonly outcome: Outcome; readonly given: AddressTexts },
  now: Date,
): StatusPatch | undefined {
  const held = new Set(outcome.addresses.map(String));
  const withdrawn = new Set([...given].filter((text) => !held.has(text)));
  const kept = distinct(entriesBeside(service, withdrawn));
  const present = new Set(kept.map(addressText));
  const added = [...held].filter((text) => !present.has(text)).map((ip) => ({ ip }));
  const isSatisfied = outcome.reason === "satisfied";
  const condition: Wanted = {
    type: requestCondition,
    status: isSatisfied ? "True" : "False",
    reason: outcome.reason,
    message: outcome.message,
  };
  return patchOf(service, [...kept, ...added], withConditions(service, [condition], now));
}

/** Of a service that is not served any more: what we gave goes, and the condition. */
export function releasedStatus(service: Service, given: AddressTexts): StatusPatch | undefined {
  // Only a load balancer has addresses of any kind.
  const kept = service.spec.type === "LoadBalancer" ? entriesBeside(service, given) : [];
  const before = service.status?.conditions ?? [];
  return patchOf(
    service,
    kept,
    before.filter(({ type }) => type !== requestCondition),
  );
}

/** Undefined when the pool's conditions are as they should be. */
export function poolConditions(
  pool: CiliumLoadBalancerIPPool,
  { conflict, total, used, available, pool: { problems } }: PoolState,
  now: Date,
): readonly Condition[] | undefined {
  const count = (type: string, number: bigint): Wanted => ({
    type,
    status: "Unknown",
    reason: "noreason",
    message: String(number),
  });
  const wanted: Wanted[] = [
    {
      type: "cilium.io/PoolConflict",
      status: conflict === undefined ? "False" : "True",
      reason: conflict === undefined ? "resolved" : "cidr_overlap",
      message: conflict ?? "",
    },
    count("cilium.io/IPsTotal", total),
    count("cilium.io/IPsAvailable", available),
    count("cilium.io/IPsUsed", used),
  ];
  const invalid = { type: "Valid", status: "False", reason: "Invalid" } as const;
  if (problems.length > 0) wanted.push({ ...invalid, message: problemsText(problems) });
  const before = pool.status?.conditions ?? [];
  const others = before.filter(({ type }) => type !== "Valid" || problems.length > 0);
  const next = withConditions({ ...pool, status: { conditions: others } }, wanted, now);
  return sameConditions(before, next) ? undefined : next;
}

/** "spec.blocks[0]: 10.0.0.1 comes before 10.0.0.9" */
export function problemsText(problems: readonly PoolProblem[]): string {
  return problems.map(({ path, message }) => `${path}: ${message}`).join("; ");
}

type Conditioned = {
  readonly metadata: { readonly generation?: number };
  readonly status?: { readonly conditions?: readonly Condition[] };
};

/** The time of the last change stays unless the status is another. */
function withConditions(
  { metadata, status }: Conditioned,
  wanted: readonly Wanted[],
  now: Date,
): Condition[] {
  const before = status?.conditions ?? [];
  const { generation } = metadata;
  const next = wanted.map((condition) => {
    const old = before.find(({ type }) => type === condition.type);
    const since = old?.status === condition.status ? old.lastTransitionTime : undefined;
    return {
      ...condition,
      ...(generation === undefined ? {} : { observedGeneration: generation }),
      lastTransitionTime: since ?? `${now.toISOString().slice(0, 19)}Z`,
    };
  });
  const others = before.filter(({ type }) => !wanted.some((condition) => condition.type === type));
  return [...others, ...next];
}

function patchOf(
  { status }: Service,
  ingress: readonly LoadBalancerIngress[],
  conditions: readonly Condition[],
): StatusPatch | undefined {
  const before = status?.loadBalancer?.ingress ?? [];
  // Entries are kept as objects, so that the same list has the same ones.
  const same =
    before.length === ingress.length && before.every((entry, at) => entry === ingress[at]);
  if (same && sameConditions(status?.conditions ?? [], conditions)) return undefined;
  return { loadBalancer: { ingress: ingress.length > 0 ? ingress : null }, conditions };
}

const conditionFields = [
  "type",
  "status",
  "reason",
  "message",
  "observedGeneration",
  "lastTransitionTime",
] as const;

function sameConditions(a: readonly Condition[], b: readonly Condition[]): boolean {
  return (
    a.length === b.length &&
    a.every((condition) => {
      const other = b.find(({ type }) => type === condition.type);
      return conditionFields.every((field) => condition[field] === other?.[field]);
    })
  );
}

/** Of several entries of one address the first. */
function distinct(entries: readonly LoadBalancerIngress[]): LoadBalancerIngress[] {
  const seen = new Set<string>();
  return entries.filter((entry) => {
    const text = addressText(entry);
    const isRepeated = text !== "" && seen.has(text);
    seen.add(text);
    return !isRepeated;
  });
}

/** "" for an entry without an address. */
function addressText({ ip }: LoadBalancerIngress): string {
  return Address.tryParse(ip ?? "")?.toString() ?? "";
}
