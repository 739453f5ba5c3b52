// Traffic that notices a single lost packet: pings at 200 a second and a TCP connection, to every target.
import assert from "node:assert/strict";
import { join } from "node:path";
import { root, type Lab, type Result } from "./harness.ts";

const pingsPerSecond = 200;

export type FlowOptions = {
  readonly namespace: string;
  readonly from: string;
  /** Addresses of echo pods. */
  readonly targets: readonly string[];
  /** How long they last; pings may take longer on a busy machine. */
  readonly seconds: number;
};

export class Flows {
  readonly #options: FlowOptions;
  readonly #pings: readonly Promise<Result>[];
  readonly #streams: readonly Promise<Result>[];
  #running: number;

  /** Starts them; they need a moment to be under way. */
  constructor(lab: Lab, options: FlowOptions) {
    const { namespace, from, targets, seconds } = options;
    const exec = async (command: readonly string[]) => {
      const result = await lab.exec(namespace, from, command);
      this.#running--;
      return result;
    };
    this.#options = options;
    this.#running = 2 * targets.length;
    const count = String(seconds * pingsPerSecond);
    const interval = String(1 / pingsPerSecond);
    this.#pings = targets.map((target) =>
      exec(["ping", "-q", "-i", interval, "-c", count, "-W", "2", target]),
    );
    this.#streams = targets.map((target) =>
      exec([join(root, "dist/bin/stream"), target, "8080", String(seconds)]),
    );
  }

  /** Fails when one has ended already: then what was done since the start was not done to it. */
  assertUnderWay(): void {
    assert.equal(this.#running, 2 * this.#options.targets.length, "all flows are under way");
  }

  /** Waits for their end. No ping lost, no segment sent twice, no request that waited for seconds. */
  async assertWhole(): Promise<void> {
    const sent = this.#options.seconds * pingsPerSecond;
    for (const { stdout, stderr } of await Promise.all(this.#pings))
      assert.match(
        `${stdout}${stderr}`,
        new RegExp(`${sent} packets transmitted, ${sent} received`),
      );
    for (const { stdout, stderr } of await Promise.all(this.#streams))
      assert.match(`${stdout}${stderr}`, /^requests [1-9]\d* retransmits 0 longest-ms \d{1,3}\n$/);
  }
}
