// Traffic that notices a single lost packet, for as long as a test wants it: pings at 200 a second and a TCP
// connection, to every target.
import assert from "node:assert/strict";
import { join } from "node:path";
import { Background } from "./background.ts";
import { root, type Lab } from "./harness.ts";

const pingIntervalSeconds = "0.005";
const echoPort = "8080";

export type FlowOptions = {
  readonly namespace: string;
  /** The pod that sends. */
  readonly from: string;
  /** Addresses of echo servers. */
  readonly targets: readonly string[];
};

/** `await using flows = await Flows.start(...)`: whatever happens, they end with the block. */
export class Flows {
  readonly #pings: readonly Background[];
  readonly #streams: readonly Background[];

  private constructor(pings: readonly Background[], streams: readonly Background[]) {
    this.#pings = pings;
    this.#streams = streams;
  }

  /** Resolves when all are under way. */
  static async start(lab: Lab, { namespace, from, targets }: FlowOptions): Promise<Flows> {
    const exec = (...command: string[]) => Background.exec(lab, { namespace, pod: from, command });
    const flows = new Flows(
      targets.map((target) => exec("ping", "-n", "-i", pingIntervalSeconds, target)),
      targets.map((target) => exec(join(root, "dist/bin/stream"), target, echoPort)),
    );
    try {
      await Promise.all(flows.#pings.map((ping) => ping.printed(/icmp_seq=1 /)));
      await Promise.all(flows.#streams.map((stream) => stream.printed(/^connected$/m)));
    } catch (error) {
      await flows[Symbol.asyncDispose]();
      throw error;
    }
    return flows;
  }

  /** Ends them. No ping may be lost, no segment sent twice. How long a request waited is printed, not judged. */
  async assertWhole(): Promise<void> {
    for (const ping of this.#pings) assertNoGap(await ping.end());
    for (const stream of this.#streams)
      assert.match(await stream.end(), /^requests [1-9]\d* retransmits 0 longest-ms \d+$/m);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#pings, ...this.#streams].map((flow) => flow.end()));
  }
}

/** The summary does not tell a lost ping from one that is still on its way when it ends; a gap is a lost one. */
function assertNoGap(output: string): void {
  const answered = [...output.matchAll(/icmp_seq=(\d+) ttl=/g)].map(([, number]) => Number(number));
  const sequences = new Set(answered);
  // Sequence numbers have 16 bits; at 200 a second they last for five minutes.
  const last = Math.max(...answered);
  const lost = Array.from({ length: last }, (_, at) => at + 1).filter((at) => !sequences.has(at));
  assert.deepEqual(lost, [], `lost of ${last} pings`);
}
