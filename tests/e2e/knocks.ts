// Packets each of which is the first of a flow: every one is decided by policy (tests/native/pulse.c, knock and sink).
import { join } from "node:path";
import { Background } from "./background.ts";
import { root, type Lab } from "./harness.ts";
import { type Arrivals, arrivalsOf } from "./pulses.ts";

const program = join(root, "dist/bin/pulse");

export type KnockFlow = {
  readonly namespace: string;
  readonly from: string;
  readonly to: string;
  /** Of `to`. */
  readonly address: string;
  readonly port: number;
  /** Microseconds between two packets. */
  readonly intervalUs: number;
};

/** `await using knocks = await Knocks.start(...)`: whatever happens, they end with the block. */
export class Knocks implements AsyncDisposable {
  readonly #flow: KnockFlow;
  readonly #knock: Background;
  readonly #sink: Background;

  private constructor(flow: KnockFlow, ends: { knock: Background; sink: Background }) {
    this.#flow = flow;
    this.#knock = ends.knock;
    this.#sink = ends.sink;
  }

  /** Resolves when the sink listens; packets may not arrive yet, or ever. */
  static async start(lab: Lab, flow: KnockFlow): Promise<Knocks> {
    const { namespace, address } = flow;
    const port = String(flow.port);
    const exec = (pod: string, ...words: string[]) =>
      Background.exec(lab, { namespace, pod, command: [program, ...words] });
    const sink = exec(flow.to, "sink", port);
    try {
      await sink.printed(/^ready$/m);
    } catch (error) {
      await sink.end();
      throw error;
    }
    return new Knocks(flow, {
      sink,
      knock: exec(flow.from, "-i", String(flow.intervalUs), "knock", address, port),
    });
  }

  /** How many were sent, and what arrived of them. */
  async end(): Promise<Arrivals> {
    const { from, to, port } = this.#flow;
    const name = `knocks of ${from} at ${to}:${port}`;
    const { sent } = arrivalsOf(name, await this.#knock.end());
    return { ...arrivalsOf(name, await this.#sink.end()), sent };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#knock.end(), this.#sink.end()]);
  }
}
