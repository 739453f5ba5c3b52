// Of all that a lab has ever dropped: each is a flow, once, with its reason, and what policy denied names the policies.
import assert from "node:assert/strict";
import type { Lab } from "../harness.ts";
import { observe, type SeenFlow } from "./seen.ts";

const deniedByPolicy = new Set(["POLICY_DENIED", "POLICY_DENY"]);

/** Fails unless the drops that the kernels have counted are those that are seen, each with its cause. */
export async function assertEveryDropExplained(lab: Lab, nodes: readonly string[]): Promise<void> {
  const seen = await observe(lab, "--all", "--verdict", "DROPPED", "--verdict", "AUDIT");
  assert.deepEqual(seen.filter(lacksCause).map(briefly), []);
  assert.deepEqual(
    seen.map(({ uuid }) => uuid).filter((uuid, at, all) => all.indexOf(uuid) !== at),
    [],
    "seen twice",
  );
  // The kernel counts packets; a call that is refused is none.
  const packets = seen.filter(({ verdict, Type }) => verdict === "DROPPED" && Type !== "SOCK");
  assert.deepEqual(countsOf(packets.map(keyOf)), await counted(lab, nodes));
}

type Counts = Readonly<Record<string, number>>;

function lacksCause(flow: SeenFlow): boolean {
  if (flow.verdict === "DROPPED" && !/^[A-Z][A-Z0-9_]+$/.test(flow.drop_reason_desc ?? ""))
    return true;
  if (flow.drop_reason_desc === "DROP_REASON_UNKNOWN") return true;
  const isPolicys = flow.verdict === "AUDIT" || deniedByPolicy.has(flow.drop_reason_desc ?? "");
  const policies = [...(flow.egress_denied_by ?? []), ...(flow.ingress_denied_by ?? [])];
  if (!isPolicys) return policies.length > 0;
  const side = flow.traffic_direction === "EGRESS" ? flow.egress_denied_by : flow.ingress_denied_by;
  return (
    side === undefined ||
    side.length === 0 ||
    policies.length !== side.length ||
    side.some(({ name, kind, labels }) => !name || !kind || !labels || labels.length === 0)
  );
}

function briefly({
  uuid,
  node_name,
  drop_reason_desc,
  traffic_direction,
  Summary,
}: SeenFlow): string {
  return `${uuid} ${node_name} ${drop_reason_desc} ${traffic_direction} ${Summary}`;
}

function keyOf({ node_name, drop_reason, traffic_direction }: SeenFlow): string {
  return `${node_name} ${drop_reason} ${traffic_direction?.toLowerCase()}`;
}

/** "node-1 133 ingress" -> how often. */
function countsOf(keys: readonly string[]): Counts {
  const groups = [...Map.groupBy(keys, (key) => key)];
  return Object.fromEntries(groups.map(([key, all]) => [key, all.length] as const).toSorted());
}

/** The same of the kernels' counters. */
async function counted(lab: Lab, nodes: readonly string[]): Promise<Counts> {
  type Row = { reason: number; direction: string; packets: number };
  const found: [string, number][] = [];
  for (const node of nodes)
    for (const row of await lab.json<Row[]>("--node", node, "bpf", "metrics", "list"))
      // Below 130 is what was forwarded.
      if (row.reason >= 130) found.push([`${node} ${row.reason} ${row.direction}`, row.packets]);
  return Object.fromEntries(found.toSorted());
}
