// What a stream carries besides flows: losses, states of nodes, agent events.
import { create } from "@bufbuild/protobuf";
import {
  type AgentEvent as AgentEventMessage,
  AgentEventSchema,
  AgentEventUnknownSchema,
  type AgentEventType,
  EndpointUpdateNotificationSchema,
  IPCacheNotificationSchema,
  type LostEvent as LostEventMessage,
  LostEventSchema,
  type LostEventSource,
  PolicyUpdateNotificationSchema,
  TimeNotificationSchema,
} from "../gen/flow/flow_pb.ts";
import {
  type NodeState,
  type NodeStatusEvent,
  NodeStatusEventSchema,
} from "../gen/relay/relay_pb.ts";
import type { AgentEvent, LostEvents } from "../model.ts";
import { nsFromTimestamp, timestampFromNs } from "./time.ts";

/** relay.NodeStatusEvent. `state`: a number of relay.NodeState. */
export type NodeStatus = {
  readonly state: number;
  readonly nodeNames: readonly string[];
  readonly message: string;
};

/** @throws CodecError "time" */
export function lostFromMessage(message: LostEventMessage): LostEvents {
  return {
    source: message.source,
    count: Number(message.numEventsLost),
    cpu: message.cpu,
    firstNs: nsFromTimestamp(message.first),
    lastNs: nsFromTimestamp(message.last),
  };
}

/** Times of 0 are left out: not known. */
export function messageFromLost(lost: LostEvents): LostEventMessage {
  return create(LostEventSchema, {
    source: lost.source as LostEventSource,
    numEventsLost: BigInt(lost.count),
    ...(lost.cpu === undefined ? {} : { cpu: lost.cpu }),
    ...(lost.firstNs === 0n ? {} : { first: timestampFromNs(lost.firstNs) }),
    ...(lost.lastNs === 0n ? {} : { last: timestampFromNs(lost.lastNs) }),
  });
}

export function nodeStatusFromMessage(message: NodeStatusEvent): NodeStatus {
  return { state: message.stateChange, nodeNames: message.nodeNames, message: message.message };
}

export function messageFromNodeStatus({ state, nodeNames, message }: NodeStatus): NodeStatusEvent {
  return create(NodeStatusEventSchema, {
    stateChange: state as NodeState,
    nodeNames: [...nodeNames],
    message,
  });
}

/** The time of an agent's start is the event's. */
export function messageFromAgentEvent(event: AgentEvent): AgentEventMessage {
  return create(AgentEventSchema, {
    type: event.type as AgentEventType,
    notification: notificationOf(event),
  });
}

function notificationOf({ notification, timeNs }: AgentEvent): AgentEventMessage["notification"] {
  switch (notification.kind) {
    case "agentStart": {
      const value = create(TimeNotificationSchema, { time: timestampFromNs(timeNs) });
      return { case: "agentStart", value };
    }
    case "endpointUpdate": {
      const { id, labels, error, podName, namespace } = notification;
      const init = { id: BigInt(id), labels: [...labels], error, podName, namespace };
      return { case: "endpointUpdate", value: create(EndpointUpdateNotificationSchema, init) };
    }
    case "policyUpdate": {
      const { labels, revision, ruleCount } = notification;
      const counts = { revision: BigInt(revision), ruleCount: BigInt(ruleCount) };
      const init = { labels: [...labels], ...counts };
      return { case: "policyUpdate", value: create(PolicyUpdateNotificationSchema, init) };
    }
    case "ipCacheUpdate": {
      const { cidr, identity, hostIp, namespace, podName } = notification;
      const init = { cidr, identity, hostIp, namespace, podName };
      return { case: "ipcacheUpdate", value: create(IPCacheNotificationSchema, init) };
    }
    case "unknown": {
      const init = { notification: notification.text };
      return { case: "unknown", value: create(AgentEventUnknownSchema, init) };
    }
  }
}
