// What the flow is: verdict, drop reason, kind of event, direction, reply, encrypted, uuid, interface, trace ids.
import type { EventTypeFilter, NetworkInterface } from "../gen/flow/flow_pb.ts";
import { type BlockSummary, EventType, type Flow, Verdict } from "../model.ts";
import { type Condition, onFlow } from "./condition.ts";

/** flow.DropReason: no policy allows it, and a rule denies it. */
const policyDenied = 133;
const policyDeny = 181;

export function onVerdict(verdicts: readonly number[]): Condition {
  let mask = 0;
  for (const verdict of verdicts) if (isBit(verdict)) mask |= 1 << verdict;
  return {
    cost: 1,
    matches: (flow) => isBit(flow.verdict) && (mask & (1 << flow.verdict)) !== 0,
    mayMatch: (block) => (block.verdicts & mask) !== 0,
    matchesAll: (block) => block.verdicts !== 0 && (block.verdicts & ~mask) === 0,
  };
}

/** `verdicts` of a BlockSummary has bits for these alone; there are no other verdicts. */
function isBit(verdict: number): boolean {
  return verdict >= 0 && verdict < 31;
}

/** Only dropped flows have a reason. */
export function onDropReason(reasons: readonly number[]): Condition {
  const wanted = new Set(reasons);
  return {
    cost: 1,
    matches: (flow) => flow.verdict === Verdict.dropped && wanted.has(flow.dropReason),
    mayMatch: (block) => (block.verdicts & (1 << Verdict.dropped)) !== 0,
    matchesAll: () => false,
  };
}

/**
 * Type 0 is every type. A drop by policy is also the policy verdict that it is (Cilium sends two flows, we one), with
 * the flow's policy match type as its sub-type.
 */
export function onEventType(filters: readonly EventTypeFilter[]): Condition {
  return {
    cost: 2,
    matches: (flow) => filters.some((filter) => isOfType(flow, filter)),
    mayMatch: (block) => filters.some((filter) => mayBeOfType(block, filter)),
    matchesAll: (block) =>
      block.eventTypes.length > 0 &&
      block.eventTypes.every((type) =>
        filters.some(
          (filter) => !filter.matchSubType && (filter.type === 0 || filter.type === type),
        ),
      ),
  };
}

function isOfType(flow: Flow, { type, matchSubType, subType }: EventTypeFilter): boolean {
  const event = flow.eventType;
  if (type === 0 || event.type === type) {
    if (!matchSubType || event.subType === subType) return true;
  }
  if (type !== EventType.policyVerdict || !isPolicyDrop(flow)) return false;
  return !matchSubType || flow.policyMatchType === subType;
}

function isPolicyDrop({ eventType, dropReason }: Flow): boolean {
  return (
    eventType.type === EventType.drop && (dropReason === policyDenied || dropReason === policyDeny)
  );
}

function mayBeOfType({ eventTypes }: BlockSummary, { type }: EventTypeFilter): boolean {
  if (type === 0) return eventTypes.length > 0;
  if (eventTypes.includes(type)) return true;
  return type === EventType.policyVerdict && eventTypes.includes(EventType.drop);
}

export function onDirection(directions: readonly number[]): Condition {
  return onFlow(1, (flow) => directions.includes(flow.direction));
}

/** Of a flow of which it is not known: matches neither, except that a drop counts as not a reply (Cilium's exception). */
export function onReply(replies: readonly boolean[]): Condition {
  const wantsReply = replies.includes(true);
  const wantsOther = replies.includes(false);
  return onFlow(1, ({ isReply, verdict }) => {
    if (isReply === undefined) return wantsOther && verdict === Verdict.dropped;
    return isReply ? wantsReply : wantsOther;
  });
}

export function onEncrypted(values: readonly boolean[]): Condition {
  return onFlow(1, (flow) => values.includes(flow.ip?.encrypted ?? false));
}

/** A flow without an IP header has version 0 (IP_NOT_USED). */
export function onIpVersion(versions: readonly number[]): Condition {
  return onFlow(1, (flow) => versions.includes(flow.ip?.version ?? 0));
}

export function onUuid(uuids: readonly string[]): Condition {
  const wanted = new Set(uuids);
  return onFlow(3, (flow) => wanted.has(flow.uuid));
}

/** Index 0 and name "" are any. */
export function onInterface(interfaces: readonly NetworkInterface[]): Condition {
  return onFlow(2, (flow) => {
    const seen = flow.interface;
    if (!seen) return false;
    return interfaces.some(
      ({ index, name }) =>
        (index === 0 || index === seen.index) && (name === "" || name === seen.name),
    );
  });
}

/** Flows carry no trace context yet, which to this filter is the id "". */
export function onTraceId(ids: readonly string[]): Condition {
  const answer = ids.includes("");
  return onFlow(1, () => answer);
}

/** Flows carry no IP trace id. */
export function onIpTraceId(): Condition {
  return { cost: 0, matches: () => false, mayMatch: () => false, matchesAll: () => false };
}
