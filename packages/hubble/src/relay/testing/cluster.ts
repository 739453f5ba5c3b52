// A relay and its peers for tests, on unix sockets in a folder.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { createLog } from "@tsilium/runtime";
import { decodeFlowsResponse, type FlowsResponse } from "../../codec/index.ts";
import { NodeStateSchema } from "../../gen/relay/relay_pb.ts";
import { GetFlowsRequestSchema, Observer } from "../../gen/observer/observer_pb.ts";
import { connectTo, createClient, type GrpcClient } from "../../grpc/index.ts";
import { HubblePeers } from "../../observer/index.ts";
import { type Relay, type RelayOptions, startRelay } from "../relay.ts";
import { TestPeer } from "./test-peer.ts";

/** What clients see of a message, in one line. */
export function lineOf(response: FlowsResponse): string {
  if ("flow" in response) return response.flow.uuid;
  if ("lost" in response) return `lost ${response.lost.count} on ${response.nodeName}`;
  const { state, nodeNames, message } = response.nodeStatus;
  const name = NodeStateSchema.values.find(({ number }) => number === state)?.name ?? String(state);
  return `${name} ${nodeNames.join(",")}${message === "" ? "" : `: ${message}`}`;
}

export class TestCluster implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), "tsilium-relay-"));
  readonly peers = new HubblePeers();
  readonly nodes: TestPeer[] = [];
  relay!: Relay;
  client!: GrpcClient;
  readonly #known = new Map<string, string>();

  /** Nodes node-1 ... node-N, all of which tell of all. */
  static async start(count: number, options: Partial<RelayOptions> = {}): Promise<TestCluster> {
    const cluster = new TestCluster();
    for (let number = 1; number <= count; number++) await cluster.addNode(`node-${number}`);
    cluster.relay = await startRelay({
      peerServices: cluster.nodes.slice(0, 2).map(({ address }) => address),
      tls: undefined,
      clusterName: "default",
      dialTimeoutMs: 1000,
      retryTimeoutMs: 500,
      probeIntervalMs: 200,
      sockets: [{ unix: join(cluster.folder, "relay.sock") }],
      nodeName: "relay",
      version: "relay-test",
      sortBufferLenMax: 10_000,
      sortBufferDrainTimeoutMs: 400,
      log: createLog({ level: process.env["TSILIUM_TEST_LOG"] ?? "silent" }),
      ...options,
    });
    cluster.client = connectTo(`unix://${join(cluster.folder, "relay.sock")}`);
    await cluster.connected(count);
    return cluster;
  }

  get observer() {
    return createClient(Observer, this.client.transport);
  }

  async addNode(name: string): Promise<TestPeer> {
    const socket = { unix: join(this.folder, `${name}.sock`) };
    const node = new TestPeer({ name, socket, peers: this.peers });
    await node.start();
    this.nodes.push(node);
    this.addAddress(name, node.address);
    return node;
  }

  /** Whatever is there. */
  addAddress(name: string, address: string): void {
    this.#known.set(name, address);
    this.#tell();
  }

  removeAddress(name: string): void {
    this.#known.delete(name);
    this.#tell();
  }

  /** Resolves when so many peers are. */
  connected(count: number): Promise<void> {
    return until(`${count} connected peers`, () => this.relay.pool.count("ready") === count);
  }

  /** All that a request gets. */
  async ask(request: MessageInitShape<typeof GetFlowsRequestSchema>): Promise<string[]> {
    const lines: string[] = [];
    for await (const response of this.responses(request, new AbortController().signal))
      lines.push(lineOf(response));
    return lines;
  }

  async *responses(
    request: MessageInitShape<typeof GetFlowsRequestSchema>,
    signal: AbortSignal,
  ): AsyncGenerator<FlowsResponse> {
    const bytes = toBinary(GetFlowsRequestSchema, create(GetFlowsRequestSchema, request));
    for await (const message of this.client.streamRaw(
      "/observer.Observer/GetFlows",
      bytes,
      signal,
    )) {
      const response = decodeFlowsResponse(message);
      if (response) yield response;
    }
  }

  /** A client that follows. */
  follow(request: MessageInitShape<typeof GetFlowsRequestSchema>): Following {
    return new Following((signal) => this.responses({ follow: true, ...request }, signal));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client?.close();
    await this.relay?.[Symbol.asyncDispose]();
    await Promise.all(this.nodes.map((node) => node.stop()));
    rmSync(this.folder, { recursive: true });
  }

  #tell(): void {
    this.peers.set(
      [...this.#known].map(([name, address]) => ({ name, address, tlsServerName: undefined })),
    );
  }
}

/** Collects what a client that follows is sent. */
export class Following implements AsyncDisposable {
  readonly lines: string[] = [];
  readonly responses: FlowsResponse[] = [];
  readonly #ending = new AbortController();
  readonly #done: Promise<void>;
  error: Error | undefined;

  constructor(open: (signal: AbortSignal) => AsyncIterable<FlowsResponse>) {
    this.#done = (async () => {
      try {
        for await (const response of open(this.#ending.signal)) {
          this.responses.push(response);
          this.lines.push(lineOf(response));
        }
      } catch (error) {
        if (!this.#ending.signal.aborted) this.error = error as Error;
      }
    })();
  }

  has(line: string | RegExp): Promise<void> {
    return until(`${line} in the stream`, () =>
      this.lines.some((each) => (typeof line === "string" ? each === line : line.test(each))),
    ).catch((error: Error) => {
      throw new Error(`${error.message}; there are: ${this.lines.slice(-50).join(" | ")}`);
    });
  }

  get flows(): string[] {
    return this.responses.flatMap((each) => ("flow" in each ? [each.flow.uuid] : []));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    await this.#done;
  }
}

/** @throws Error when it does not come true within half a minute */
export async function until(what: string, isTrue: () => boolean): Promise<void> {
  const endMs = performance.now() + 30_000;
  while (!isTrue()) {
    if (performance.now() > endMs) throw new Error(`no ${what} within half a minute`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
