// A connection of the proxy between two sockets on loopback, its client and its broker played by the test.
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { KafkaRuleSet } from "@tsilium/policy/model.ts";
import type { ProxyRecord } from "@tsilium/proxy/model.ts";
import { Connection } from "../connection.ts";
import { HeldBytes } from "../held-bytes.ts";
import { ReadingTime } from "../reading-time.ts";
import { recordSink } from "../records.ts";
import { ByteQueue } from "../byte-queue.ts";

/** One end, which takes messages off the stream as they come. */
export class Peer {
  readonly socket: Socket;
  readonly #input = new ByteQueue();
  #ended = false;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk: Buffer) => this.#input.push(chunk));
    for (const event of ["end", "close"] as const) socket.on(event, () => (this.#ended = true));
    socket.on("error", () => undefined);
  }

  send(message: Buffer): void {
    const length = Buffer.alloc(4);
    length.writeInt32BE(message.length);
    this.socket.write(Buffer.concat([length, message]));
  }

  /** The next message without its length; undefined: the stream ended, or nothing came within `patienceMs`. */
  async receive(patienceMs = 2_000): Promise<Buffer | undefined> {
    const until = performance.now() + patienceMs;
    while (performance.now() < until) {
      const length = this.#input.length < 4 ? undefined : this.#input.first(4).readInt32BE(0);
      if (length !== undefined && this.#input.length >= 4 + length) {
        this.#input.take(4);
        return Buffer.concat(this.#input.take(length));
      }
      if (this.#ended) return undefined;
      await delay(2);
    }
    return undefined;
  }

  /** Bytes that were not taken. */
  get waiting(): number {
    return this.#input.length;
  }

  get ended(): boolean {
    return this.#ended;
  }
}

type PairOptions = {
  readonly rules: KafkaRuleSet;
  /** Of several pairs together. */
  readonly held?: HeldBytes;
  /** The client's. */
  readonly address?: string;
};

export class Pair implements AsyncDisposable {
  readonly client: Peer;
  readonly broker: Peer;
  readonly records: ProxyRecord[] = [];
  readonly faults: unknown[] = [];
  readonly counts = { forwarded: 0, denied: 0, errors: 0 };
  readonly held: HeldBytes;
  readonly readingTime = new ReadingTime();
  rules: KafkaRuleSet;
  readonly #sockets: readonly Socket[];

  private constructor({ rules, held, address }: Required<PairOptions>, [a, b]: Ends, [c, d]: Ends) {
    this.rules = rules;
    this.held = held;
    this.client = new Peer(a);
    this.broker = new Peer(d);
    this.#sockets = [a, b, c, d];
    new Connection({
      client: b,
      broker: c,
      rules: () => this.rules,
      records: recordSink({
        port: 10_896,
        direction: "egress",
        client: { address, port: 4000 },
        server: { address: "10.0.0.2", port: 9092 },
        counts: this.counts,
        add: (record) => this.records.push(record),
      }),
      held,
      readingTime: this.readingTime,
      clientAddress: address,
      onClose: () => undefined,
      onFault: (error) => this.faults.push(error),
    }).start();
  }

  static async open(
    rules: KafkaRuleSet,
    { held = new HeldBytes(), address = "10.0.0.1" }: Omit<PairOptions, "rules"> = {},
  ): Promise<Pair> {
    return new Pair({ rules, held, address }, await connected(), await connected());
  }

  [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    return Promise.resolve();
  }
}

type Ends = readonly [Socket, Socket];

async function connected(): Promise<Ends> {
  const server = createServer({ allowHalfOpen: true }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const near = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  const [far] = (await once(server, "connection")) as [Socket];
  server.close();
  return [near, far];
}
