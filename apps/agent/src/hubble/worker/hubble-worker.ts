// Hubble on a node, in a thread of its own: reads what the kernel tells, knows who is who, and tells flows.
//
//   rings --> decoder --> numbers --> redacted --> history, observer, metrics, files
//                ^                                             |
//   feed --> enricher, agent events, peers                  servers
import { type EventRings, openEventRings } from "@tsilium/datapath";
import { BootClock, FlowDecoder, numberFlows } from "@tsilium/hubble/decode/index.ts";
import { Enricher } from "@tsilium/hubble/enrich/index.ts";
import { AgentEventType } from "@tsilium/hubble/gen/flow/flow_pb.ts";
import type { AgentEvent, Flow } from "@tsilium/hubble/model.ts";
import {
  HubblePeers,
  hubbleServerName,
  observerRoutes,
  peerRoutes,
} from "@tsilium/hubble/observer/index.ts";
import { type Logger, parseListenAddress } from "@tsilium/runtime";
import { clockBoottimeNs, clockRealtimeNs } from "@tsilium/syscall";
import { settleHeapIn } from "../../heap.ts";
import type { FeedItem } from "../feed/model.ts";
import type { FromWorker, HubbleStatus, ToWorker, WorkerSetup } from "../model.ts";
import type { HubbleSettings } from "../settings.ts";
import { AgentEvents } from "./agent-events.ts";
import { EventReader } from "./event-reader.ts";
import { KernelLosses } from "./kernel-losses.ts";
import { Lingering } from "./lingering.ts";
import { Peers } from "./peers.ts";
import type { RecordBatch } from "./record-batch.ts";
import { Server, type Services, socketsOf } from "./servers.ts";
import { Sinks } from "./sinks.ts";

/** The end of the thread's port, but for messages that come. */
export type Tell = (message: FromWorker, transfer?: readonly ArrayBuffer[]) => void;

export type HubbleWorkerOptions = {
  readonly setup: WorkerSetup;
  readonly tell: Tell;
  readonly log: Logger;
};

const statusIntervalMs = 1_000;
/** From knowing all there is until memory is given back. */
const settleHeapMs = 4_000;

export class HubbleWorker implements AsyncDisposable {
  readonly #options: HubbleWorkerOptions;
  readonly #rings: EventRings;
  readonly #sinks: Sinks;
  readonly #servers: readonly Server[];
  readonly #enricher = new Enricher();
  readonly #clock = new BootClock({ boottimeNs: clockBoottimeNs, unixNs: clockRealtimeNs });
  readonly #decoder: FlowDecoder;
  readonly #reader: EventReader;
  readonly #losses = new KernelLosses(() => this.#clock.nowNs());
  readonly #lingering = new Lingering();
  readonly #agentEvents = new AgentEvents(() => this.#clock.nowNs());
  readonly #peers: Peers;
  readonly #hubblePeers: HubblePeers;
  #lastSequence = 0;
  #isSynced = false;
  #timer: NodeJS.Timeout | undefined;

  private constructor(
    options: HubbleWorkerOptions,
    parts: {
      readonly rings: EventRings;
      readonly sinks: Sinks;
      readonly servers: readonly Server[];
      readonly hubblePeers: HubblePeers;
    },
  ) {
    const { settings } = options.setup;
    const { rings, sinks, servers, hubblePeers } = parts;
    this.#options = options;
    this.#rings = rings;
    this.#sinks = sinks;
    this.#servers = servers;
    this.#hubblePeers = hubblePeers;
    this.#peers = peersOf(settings);
    this.#decoder = new FlowDecoder({
      enricher: this.#enricher,
      clock: this.#clock,
      askRules: (numbers) => options.tell({ kind: "rules", numbers }),
    });
    this.#reader = new EventReader({
      rings,
      decoder: this.#decoder,
      clock: this.#clock,
      losses: this.#losses,
      limit: settings.eventsPerTurn,
      beforeTurn: () => this.#forget(),
      onFlows: (flows) => this.#add(flows),
      onRecords: (batch) => this.#handOn(batch),
      log: options.log,
    });
  }

  /** Resolves when it listens, or will try to again. Nothing is read before the feed is "synced". */
  static async start(options: HubbleWorkerOptions): Promise<HubbleWorker> {
    const { setup, log } = options;
    const { settings, bpffs, version } = setup;
    await using undo = new AsyncDisposableStack();
    const rings = undo.use(openEventRings({ bpffs }));
    const sinks = undo.use(await Sinks.open({ settings, nodeName: flowNodeName(settings), log }));
    const hubblePeers = new HubblePeers();
    const services = servicesOf(settings, { version, sinks, hubblePeers });
    const servers = socketsOf(settings).map((socket) => new Server(socket, services, log));
    await Promise.all(servers.map((server) => server.start()));
    undo.move();
    const worker = new HubbleWorker(options, { rings, sinks, servers, hubblePeers });
    worker.#tellStatus();
    worker.#timer = setInterval(() => worker.#everySecond(), statusIntervalMs);
    return worker;
  }

  take(message: Exclude<ToWorker, { kind: "stop" }>): void {
    switch (message.kind) {
      case "feed":
        return this.#takeItems(message.items);
      case "monitor":
        this.#reader.isMonitored = message.on;
        return;
      case "l7":
        for (const record of message.records)
          this.#reader.add((out) => this.#decoder.l7(record, out));
    }
  }

  /** Reads what is there, puts away what is on its way to disk, and closes all sockets. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    if (this.#isSynced) this.#reader.finish();
    await Promise.all(this.#servers.map((server) => server[Symbol.asyncDispose]()));
    await this.#sinks[Symbol.asyncDispose]();
    this.#rings[Symbol.dispose]();
  }

  #takeItems(items: readonly FeedItem[]): void {
    const nowMs = performance.now();
    let arePeersOther = false;
    for (const item of items) {
      if (this.#peers.note(item)) arePeersOther = true;
      if (this.#lingering.take(item, nowMs)) this.#enricher.apply(item);
      const event = this.#agentEvents.of(item);
      if (event) this.#noteAgentEvent(event);
      if (item.kind === "synced") this.#begin();
    }
    if (arePeersOther) this.#hubblePeers.set(this.#peers.list());
  }

  #begin(): void {
    if (this.#isSynced) return;
    this.#isSynced = true;
    this.#sinks.agentEvent(this.#agentEvents.started());
    this.#reader.start();
    settleHeapIn(settleHeapMs);
  }

  #noteAgentEvent(event: AgentEvent): void {
    this.#sinks.agentEvent(event);
    const { notification } = event;
    if (notification.kind !== "endpointUpdate" && notification.kind !== "ipCacheUpdate") return;
    const { namespace, podName } = notification;
    if (podName === "") return;
    const { metrics } = this.#sinks;
    const isGone =
      event.type === AgentEventType.ENDPOINT_DELETED ||
      event.type === AgentEventType.IPCACHE_DELETED;
    if (isGone) metrics.podGone(namespace, podName);
    else metrics.podPresent(namespace, podName);
  }

  /** What is gone for long enough is known no more. */
  #forget(): void {
    for (const item of this.#lingering.due(performance.now())) this.#enricher.apply(item);
  }

  #add(flows: Flow[]): void {
    const { lastSequence, storeId } = this.#sinks;
    // The history may have been opened only now.
    const after = Math.max(this.#lastSequence, lastSequence);
    this.#lastSequence = numberFlows(flows, after, storeId);
    this.#sinks.add(flows);
  }

  #handOn({ bytes, lengths }: RecordBatch): void {
    this.#options.tell({ kind: "records", bytes, lengths }, [bytes.buffer]);
  }

  #everySecond(): void {
    // Not before records are read: the first of them says what an earlier worker has told already.
    if (this.#isSynced)
      for (const loss of this.#losses.take(this.#rings.losses())) this.#sinks.lost(loss);
    this.#tellStatus();
  }

  #tellStatus(): void {
    this.#options.tell({ kind: "status", status: this.#status() });
  }

  #status(): HubbleStatus {
    const observer = this.#sinks.observer.status();
    const decoder = this.#decoder.statistics;
    const rings = this.#rings.statistics();
    const { lost, sent } = this.#losses.totals;
    return {
      synced: this.#isSynced,
      flows: observer.seenFlows,
      flowsPerSecond: observer.flowsPerSecond,
      held: observer.flows,
      capacity: observer.capacity,
      lostInKernel: lost,
      toldByKernel: sent,
      undecoded: decoder.undecodable + this.#reader.unreadable,
      unnamedRules: decoder.unnamedRules,
      pendingBytes: rings.verdicts.pendingBytes + rings.traces.pendingBytes,
      history: this.#sinks.historyStatus(),
      listening: this.#servers.flatMap(({ address }) => address ?? []),
      clients: observer.followers,
      metrics: this.#sinks.metricNames,
      problems: [
        ...this.#sinks.problems(),
        ...this.#servers.flatMap(({ problem }) => problem ?? []),
      ],
    };
  }
}

/** As flows name this node: alone in the cluster "default". */
function flowNodeName({ clusterName, nodeName }: HubbleSettings): string {
  return clusterName === "default" ? nodeName : `${clusterName}/${nodeName}`;
}

function peersOf({ listenAddress, clusterName, tls, socketPath }: HubbleSettings): Peers {
  const port = listenAddress === "" ? undefined : parseListenAddress(listenAddress).port;
  return new Peers({ port, clusterName, tls: tls !== undefined, socketPath });
}

function servicesOf(
  settings: HubbleSettings,
  { version, sinks, hubblePeers }: { version: string; sinks: Sinks; hubblePeers: HubblePeers },
): Services {
  const { listenAddress: address, tls, nodeName, clusterName } = settings;
  const isSecure = tls !== undefined && address !== "";
  const parts = [
    observerRoutes(sinks.observer, {
      version: `tsilium v${version}`,
      address,
      ...(isSecure ? { tlsServerName: hubbleServerName(nodeName, clusterName) } : {}),
    }),
    peerRoutes(hubblePeers),
  ];
  return {
    routes: (router) => {
      for (const { routes } of parts) routes(router);
    },
    streams: parts.flatMap(({ streams }) => streams),
  };
}
