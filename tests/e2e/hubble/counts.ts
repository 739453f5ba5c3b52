// Counts of flows, at each place that they pass: the kernel, the agent, who follows, what is kept. Clients here do not print, so that
// they keep up with what the agent can do.
import { create, toBinary } from "@bufbuild/protobuf";
import { openEventRings } from "@tsilium/datapath";
import { decodeFlowsResponse, peekResponse } from "@tsilium/hubble/codec/index.ts";
import type { Verdict } from "@tsilium/hubble/gen/flow/flow_pb.ts";
import { GetFlowsRequestSchema, Observer } from "@tsilium/hubble/gen/observer/observer_pb.ts";
import { connectTo, createClient, type GrpcClient } from "@tsilium/hubble/grpc/index.ts";
import { LostEventSource } from "@tsilium/hubble/model.ts";
import type { Lab } from "../harness.ts";

/** flow.FlowFilter, as far as it is asked for here. */
export type Filter = { destinationPort?: string[]; verdict?: Verdict[] };

/** observer.GetFlowsRequest, likewise. */
type Request = {
  number?: bigint;
  follow?: boolean;
  since?: { seconds: bigint; nanos: number };
  until?: { seconds: bigint; nanos: number };
  whitelist?: Filter[];
  blacklist?: Filter[];
  fieldMask?: { paths: string[] };
};

/** What a node's programs told, and could not tell (tsi_event_rate). */
export type KernelCounts = Readonly<Record<"verdicts" | "traces", { sent: number; lost: number }>>;

export function kernelCounts(lab: Lab, node: string): KernelCounts {
  using rings = openEventRings({ bpffs: `/var/run/tsilium/lab/${lab.name}/bpf/${node}` });
  const counts = { verdicts: { sent: 0, lost: 0 }, traces: { sent: 0, lost: 0 } };
  for (const { class: name, sent, lost } of rings.losses()) {
    counts[name].sent += Number(sent);
    counts[name].lost += Number(lost);
  }
  return counts;
}

/** Bytes that nobody has read yet. */
export function pendingBytes(lab: Lab, node: string): number {
  using rings = openEventRings({ bpffs: `/var/run/tsilium/lab/${lab.name}/bpf/${node}` });
  const { verdicts, traces } = rings.statistics();
  return verdicts.pendingBytes + traces.pendingBytes;
}

/** A node's Hubble over its unix socket. */
export class AgentClient implements Disposable {
  readonly #client: GrpcClient;
  readonly #stop = new AbortController();

  constructor(lab: Lab, node: string) {
    this.#client = connectTo(`unix:///var/run/tsilium/lab/${lab.name}/${node}/hubble.sock`);
  }

  /** Flows since the agent's start. */
  async seenFlows(): Promise<number> {
    const { seenFlows } = await createClient(Observer, this.#client.transport).serverStatus({});
    return Number(seenFlows);
  }

  /** How many flows it tells of, and the losses among them. */
  async count(request: Request): Promise<Tally> {
    const tally = new Tally();
    // Whole, they would be a gigabyte.
    const brief = { ...request, fieldMask: { paths: ["uuid"] } };
    for await (const batch of this.#flows(brief)) tally.add(batch);
    return tally;
  }

  /** Counts from now on, until this client is disposed of. */
  follow(whitelist: Filter[]): Tally {
    const tally = new Tally();
    const read = async () => {
      for await (const batch of this.#flows({ follow: true, whitelist })) tally.add(batch);
    };
    void read().catch((error: unknown) => {
      if (!this.#stop.signal.aborted) tally.failure = error;
    });
    return tally;
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
    this.#client[Symbol.dispose]();
  }

  #flows(request: Request): AsyncIterable<readonly Uint8Array[]> {
    const bytes = toBinary(GetFlowsRequestSchema, create(GetFlowsRequestSchema, request));
    return this.#client.streamBatches("/observer.Observer/GetFlows", bytes, this.#stop.signal);
  }
}

export class Tally {
  flows = 0;
  /** By what the kernel could not tell. */
  lostInKernel = 0;
  /** By what this client was too slow for. */
  missed = 0;
  failure: unknown;

  add(batch: readonly Uint8Array[]): void {
    for (const bytes of batch) {
      const { kind } = peekResponse(bytes);
      if (kind === "flow") this.flows++;
      if (kind !== "lost") continue;
      const response = decodeFlowsResponse(bytes);
      if (!response || !("lost" in response)) continue;
      const { source, count } = response.lost;
      if (source === LostEventSource.perfEventRingBuffer) this.lostInKernel += count;
      else this.missed += count;
    }
  }
}
