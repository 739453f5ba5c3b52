// observer.Observer and peer.Peer over src/grpc.
import { create, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { CodecError } from "../codec/error.ts";
import {
  encodeFlowResponse,
  encodeFlowsResponse,
  type FieldMask,
  fieldMaskOf,
  messageFromAgentEvent,
  timestampFromNs,
} from "../codec/index.ts";
import {
  GetAgentEventsResponseSchema,
  type GetFlowsRequest,
  Observer as ObserverService,
} from "../gen/observer/observer_pb.ts";
import {
  ChangeNotificationSchema,
  ChangeNotificationType,
  Peer as PeerService,
} from "../gen/peer/peer_pb.ts";
import { NodeState } from "../gen/relay/relay_pb.ts";
import { type ServerStream, stream, type StreamRoute } from "../grpc/index.ts";
import type { AgentEvent, LostEvents } from "../model.ts";
import { isLost, type ObservedEvent } from "./events.ts";
import type { Observer } from "./observer.ts";
import type { HubblePeers, PeerChange } from "./peers.ts";
import { flowsQuery, invalid, rangeOf } from "./query.ts";

/** For `serveGrpc`: `routes` and `streams`. */
export type ServiceRoutes = {
  readonly routes: (router: ConnectRouter) => void;
  readonly streams: readonly StreamRoute[];
};

export type ServerDescription = {
  /** Of the software, as `hubble status` shows it. */
  readonly version: string;
  /** "host:port" where others reach this server; "" if they do not. */
  readonly address?: string;
  /** In its certificate. */
  readonly tlsServerName?: string;
};

/** The service of one node. GetDebugEvents is not served: there are no such events. */
export function observerRoutes(observer: Observer, server: ServerDescription): ServiceRoutes {
  const unimplemented = () => {
    throw new ConnectError("debug events are not recorded", Code.Unimplemented);
  };
  return {
    routes: (router) =>
      router.service(ObserverService, {
        getNodes: () => ({ nodes: [nodeOf(observer, server)] }),
        getNamespaces: () => ({ namespaces: [...observer.namespaces()] }),
        serverStatus: () => statusOf(observer, server),
      }),
    streams: [
      stream(ObserverService.method.getFlows, (request, out) => sendFlows(observer, request, out)),
      stream(ObserverService.method.getAgentEvents, async (request, out) => {
        for await (const event of observer.getAgentEvents(rangeOf(request), out.signal))
          await out.write(agentEventResponse(event, observer.nodeName));
      }),
      stream(ObserverService.method.getDebugEvents, unimplemented),
    ],
  };
}

/** peer.Peer. */
export function peerRoutes(peers: HubblePeers): ServiceRoutes {
  return {
    routes: (router) => router.service(PeerService, {}),
    streams: [
      stream(PeerService.method.notify, async (_request, out) => {
        for await (const changes of peers.watch(out.signal))
          for (const change of changes) await out.write(changeNotification(change));
      }),
    ],
  };
}

async function sendFlows(
  observer: Observer,
  request: GetFlowsRequest,
  out: ServerStream,
): Promise<void> {
  const query = flowsQuery(request);
  const encode = encoder(observer, maskOf(request));
  for await (const events of observer.getFlows(query, out.signal)) {
    for (const event of events) {
      // Only where the client is slow is there something to wait for.
      const full = out.write(encode(event));
      if (full) await full;
    }
  }
}

/** @throws ConnectError INVALID_ARGUMENT */
function maskOf(request: GetFlowsRequest): FieldMask | undefined {
  try {
    return fieldMaskOf(request);
  } catch (error) {
    throw error instanceof CodecError ? invalid(error.message, error) : error;
  }
}

function encoder(
  observer: Observer,
  mask: FieldMask | undefined,
): (event: ObservedEvent) => Uint8Array {
  const encodeLost = (lost: LostEvents) => {
    const timeNs = lost.lastNs;
    return encodeFlowsResponse({ lost, nodeName: observer.nodeName, timeNs });
  };
  const encodeWhole = (flow: Parameters<typeof encodeFlowResponse>[0]) => encodeFlowResponse(flow);
  return (event) => {
    if (isLost(event)) return encodeLost(event);
    return mask ? encodeFlowResponse(event, mask) : observer.encodedOf(event, encodeWhole);
  };
}

function agentEventResponse(event: AgentEvent, nodeName: string): Uint8Array {
  const response = create(GetAgentEventsResponseSchema, {
    agentEvent: messageFromAgentEvent(event),
    nodeName,
    time: timestampFromNs(event.timeNs),
  });
  return toBinary(GetAgentEventsResponseSchema, response);
}

function statusOf(observer: Observer, { version }: ServerDescription) {
  const { flows, capacity, seenFlows, uptimeNs, flowsPerSecond } = observer.status();
  return {
    numFlows: BigInt(flows),
    maxFlows: BigInt(capacity),
    seenFlows: BigInt(seenFlows),
    uptimeNs,
    version,
    flowsRate: flowsPerSecond,
  };
}

/** A node knows of itself alone; relay answers for all of them. */
function nodeOf(observer: Observer, server: ServerDescription) {
  const { numFlows, maxFlows, seenFlows, uptimeNs, version } = statusOf(observer, server);
  const { address = "", tlsServerName } = server;
  return {
    name: observer.nodeName,
    version,
    address,
    state: NodeState.NODE_CONNECTED,
    ...(tlsServerName === undefined ? {} : { tls: { enabled: true, serverName: tlsServerName } }),
    uptimeNs,
    numFlows,
    maxFlows,
    seenFlows,
  };
}

const changeTypes = {
  added: ChangeNotificationType.PEER_ADDED,
  deleted: ChangeNotificationType.PEER_DELETED,
  updated: ChangeNotificationType.PEER_UPDATED,
};

function changeNotification({ type, peer }: PeerChange): Uint8Array {
  const { name, address, tlsServerName } = peer;
  const notification = create(ChangeNotificationSchema, {
    name,
    address,
    type: changeTypes[type],
    ...(tlsServerName === undefined ? {} : { tls: { serverName: tlsServerName } }),
  });
  return toBinary(ChangeNotificationSchema, notification);
}
