// Flows that stay open while services change (tests/native/hold.c): each has a request at a steady pace, and it is told
// which of them broke, which pod answers, and how long the slowest answer took.
import assert from "node:assert/strict";
import { join } from "node:path";
import { Background } from "../background.ts";
import { type Lab, root } from "../harness.ts";

type Place =
  | { readonly namespace: string; readonly pod: string }
  | { readonly node: string }
  | "world";

export type HoldOptions = {
  readonly from: Place;
  readonly protocol: "tcp" | "udp";
  readonly address: string;
  readonly port: number;
  /** 50 if left out. */
  readonly count?: number;
  /** Between a flow's requests; 100 if left out. */
  readonly intervalMs?: number;
};

export type HeldFlow = {
  readonly pod: string;
  /** TCP alone: reset, closed, or an answer that did not come within 2 s. */
  readonly broken: boolean;
  readonly reason?: string;
  readonly requests: number;
  readonly answers: number;
  /** UDP alone: when it asked what had no answer by the time of the next request; ns of CLOCK_MONOTONIC. */
  readonly unansweredNs: readonly bigint[];
  readonly longestMs: number;
  /** How often another pod answered than before. */
  readonly moves: number;
  /** Pods that it has had before. */
  readonly left: readonly string[];
  /** UDP alone: how often somebody closed the socket, as agents do whose backend is gone. */
  readonly reopened: number;
};

/** `await using flows = await HeldFlows.open(...)`: whatever happens, they end with the block. */
export class HeldFlows implements AsyncDisposable {
  readonly #command: Background;

  private constructor(command: Background) {
    this.#command = command;
  }

  /** Resolves when each flow has been answered, or is broken already. */
  static async open(lab: Lab, options: HoldOptions): Promise<HeldFlows> {
    const { from, protocol, address, port, count = 50, intervalMs = 100 } = options;
    const program = join(root, "dist/bin/hold");
    const command = new Background(lab, [
      ...wordsOf(from),
      "--",
      program,
      ...[protocol, address, port, count, intervalMs].map(String),
    ]);
    try {
      await command.printed(/^holding$/m);
      return new HeldFlows(command);
    } catch (error) {
      await command.end();
      throw error;
    }
  }

  /** Ends them: what became of each. */
  async end(): Promise<HeldFlow[]> {
    return flowsOf(await this.#command.end());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#command.end();
  }
}

function wordsOf(place: Place): string[] {
  if (place === "world") return ["world", "exec"];
  if ("node" in place) return ["node", "exec", place.node];
  return ["exec", "-n", place.namespace, place.pod];
}

/** What `hold` has printed by its end. */
function flowsOf(output: string): HeldFlow[] {
  const reasons = new Map(
    [...output.matchAll(/^broken (\d+) \d+ \S+ (.*)$/gm)].map(([, flow, reason]) => [flow, reason]),
  );
  const lines = [
    ...output.matchAll(/^flow (\d+) (\S+) (open|broken) (\d+) (\d+) (\d+) (\d+) (\d+)$/gm),
  ];
  const unanswered = Map.groupBy(
    output.matchAll(/^unanswered (\d+) (\d+)$/gm),
    ([, flow = ""]) => flow,
  );
  const moved = [...output.matchAll(/^moved (\d+) \d+ (\S+) \S+$/gm)];
  assert.ok(lines.length > 0, `hold printed no flows: ${output}`);
  return lines.map(([, flow = "", pod = "", state, ...numbers]) => {
    const [requests = 0, answers = 0, longestMs = 0, moves = 0, reopened = 0] = numbers.map(Number);
    const reason = reasons.get(flow);
    return {
      pod,
      broken: state === "broken",
      ...(reason === undefined ? {} : { reason }),
      requests,
      answers,
      unansweredNs: (unanswered.get(flow) ?? []).map(([, , ns = "0"]) => BigInt(ns)),
      longestMs,
      moves,
      left: moved.filter(([, mover]) => mover === flow).map(([, , from = ""]) => from),
      reopened,
    };
  });
}
