// A node's real Hubble server for tests of relay, without an agent around it.
import {
  Code,
  ConnectError,
  type GrpcServer,
  type SocketOptions,
  serveGrpc,
} from "../../grpc/index.ts";
import { emptyFlow, type Flow, type FlowHistory, Verdict } from "../../model.ts";
import { HubblePeers, Observer, observerRoutes, peerRoutes } from "../../observer/index.ts";

export type TestPeerOptions = {
  readonly name: string;
  readonly socket: SocketOptions;
  readonly history?: FlowHistory;
  readonly peers?: HubblePeers;
};

/** @param sequence of the flow on its node */
export function testFlow(nodeName: string, sequence: number, timeNs: bigint): Flow {
  return {
    ...emptyFlow,
    sequence,
    timeNs,
    uuid: `${nodeName}:${sequence}`,
    verdict: Verdict.forwarded,
    nodeName,
    ip: {
      source: "10.0.0.1",
      sourceXlated: "",
      destination: "10.0.0.2",
      version: 1,
      encrypted: false,
    },
    l4: { kind: "udp", sourcePort: 40000, destinationPort: 53 },
    source: {
      ...emptyFlow.source,
      namespace: nodeName,
      podName: `pod-on-${nodeName}`,
      identity: 4711,
    },
  };
}

export class TestPeer {
  readonly name: string;
  readonly observer: Observer;
  readonly peers: HubblePeers;
  readonly #socket: SocketOptions;
  #grpc: GrpcServer | undefined;
  #sequence: number;

  constructor({ name, socket, history, peers = new HubblePeers() }: TestPeerOptions) {
    this.name = name;
    this.peers = peers;
    this.observer = new Observer({ nodeName: name, ...(history ? { history } : {}) });
    this.#socket = socket;
    this.#sequence = history?.lastSequence ?? 0;
  }

  /** "unix:///path" or "host:port". */
  get address(): string {
    const [address] = this.#grpc?.addresses ?? [];
    if (!address) throw new ConnectError("not started", Code.Unavailable);
    return "unix" in address ? `unix://${address.unix}` : `${address.host}:${address.port}`;
  }

  async start(): Promise<void> {
    const observer = observerRoutes(this.observer, { version: "test" });
    const peers = peerRoutes(this.peers);
    this.#grpc = await serveGrpc({
      routes: (router) => {
        observer.routes(router);
        peers.routes(router);
      },
      streams: [...observer.streams, ...peers.streams],
      sockets: [this.#socket],
    });
  }

  /** As if it had been killed: connections break. */
  async stop(): Promise<void> {
    await this.#grpc?.close({ graceMs: 0 });
    this.#grpc = undefined;
  }

  /** Flows happen at these times. */
  add(...timesNs: readonly bigint[]): Flow[] {
    const flows = timesNs.map((timeNs) => testFlow(this.name, ++this.#sequence, timeNs));
    this.observer.add(flows);
    return flows;
  }
}
