// The one that has the flows: relay, or a single node's server. Knows how it stands with it.
import { create, toBinary } from "@bufbuild/protobuf";
import { timestampFromNs } from "@tsilium/hubble/codec/index.ts";
import { GetFlowsRequestSchema, Observer } from "@tsilium/hubble/gen/observer/observer_pb.ts";
import { NodeState } from "@tsilium/hubble/gen/relay/relay_pb.ts";
import {
  type ClientTls,
  connectTo,
  createClient,
  type GrpcClient,
} from "@tsilium/hubble/grpc/index.ts";
import type { FlowQuery } from "../flows/flow-query.ts";
import type { Status, StatusNode } from "../shared/status.ts";

export type RelayOptions = {
  /** "unix:///path" or "host:port". */
  readonly address: string;
  /** undefined: in clear. */
  readonly tls: ClientTls | undefined;
};

const getFlows = "/observer.Observer/GetFlows";
const answerMs = 3_000;
/** Many pages ask the same question at once. */
const statusIsFreshMs = 1_500;

export class Relay implements Disposable {
  readonly address: string;
  readonly #client: GrpcClient;
  readonly #observer;
  #status: { atMs: number; answer: Promise<Omit<Status, "kube">> } | undefined;

  constructor({ address, tls }: RelayOptions) {
    this.address = address;
    this.#client = connectTo(address, tls === undefined ? {} : { tls });
    this.#observer = createClient(Observer, this.#client.transport);
  }

  /** Encoded GetFlowsResponses, in the batches that they come in. @throws ConnectError */
  flows(query: FlowQuery, signal: AbortSignal): AsyncIterable<readonly Uint8Array[]> {
    const { whitelist, blacklist, sinceNs, untilNs, number, follow } = query;
    const request = create(GetFlowsRequestSchema, {
      whitelist,
      blacklist,
      number: BigInt(number),
      follow,
      ...(sinceNs === undefined ? {} : { since: timestampFromNs(sinceNs) }),
      ...(untilNs === undefined ? {} : { until: timestampFromNs(untilNs) }),
    });
    return this.#client.streamBatches(getFlows, toBinary(GetFlowsRequestSchema, request), signal);
  }

  /** Never rejects: what is wrong is part of the answer. */
  status(): Promise<Omit<Status, "kube">> {
    const nowMs = performance.now();
    if (!this.#status || nowMs - this.#status.atMs > statusIsFreshMs)
      this.#status = { atMs: nowMs, answer: this.#ask() };
    return this.#status.answer;
  }

  /** Of flows of the last hour. @throws ConnectError */
  async namespaces(signal: AbortSignal): Promise<readonly string[]> {
    const { namespaces } = await this.#observer.getNamespaces({}, { signal, timeoutMs: answerMs });
    return [...new Set(namespaces.map(({ namespace }) => namespace))].toSorted();
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }

  async #ask(): Promise<Omit<Status, "kube">> {
    const signal = AbortSignal.timeout(answerMs);
    const options = { signal, timeoutMs: answerMs };
    try {
      const [server, nodes, namespaces] = await Promise.all([
        this.#observer.serverStatus({}, options),
        // Nodes and namespaces are more than every server tells.
        this.#observer.getNodes({}, options).then(
          (answer) => answer.nodes,
          () => [],
        ),
        this.namespaces(signal).catch(() => []),
      ]);
      return {
        relay: {
          address: this.address,
          error: "",
          version: server.version,
          flowsPerSecond: server.flowsRate,
          seenFlows: Number(server.seenFlows),
          numFlows: Number(server.numFlows),
          maxFlows: Number(server.maxFlows),
        },
        nodes: nodes.map((node) => statusNode(node)).toSorted((a, b) => (a.name < b.name ? -1 : 1)),
        namespaces,
      };
    } catch (error) {
      const nothing = { version: "", flowsPerSecond: 0, seenFlows: 0, numFlows: 0, maxFlows: 0 };
      return {
        relay: { address: this.address, error: relayErrorText(error), ...nothing },
        nodes: [],
        namespaces: [],
      };
    }
  }
}

/** Without gRPC's code before it. */
export function relayErrorText(error: unknown): string {
  const { rawMessage, message } = error as { rawMessage?: string; message: string };
  return rawMessage || message;
}

const states: Readonly<Record<number, string>> = {
  [NodeState.NODE_CONNECTED]: "connected",
  [NodeState.NODE_UNAVAILABLE]: "unavailable",
  [NodeState.NODE_GONE]: "gone",
  [NodeState.NODE_ERROR]: "error",
};

function statusNode(node: {
  readonly name: string;
  readonly version: string;
  readonly address: string;
  readonly state: NodeState;
  readonly uptimeNs: bigint;
  readonly seenFlows: bigint;
  readonly numFlows: bigint;
  readonly maxFlows: bigint;
}): StatusNode {
  const { name, version, address, state, uptimeNs, seenFlows, numFlows, maxFlows } = node;
  return {
    name,
    version,
    address,
    state: states[state] ?? "unknown",
    seenFlows: Number(seenFlows),
    numFlows: Number(numFlows),
    maxFlows: Number(maxFlows),
    uptimeMs: Number(uptimeNs / 1_000_000n),
  };
}
