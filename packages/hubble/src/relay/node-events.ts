// What a client is told of the nodes: changes only, those of a moment in one message.
import { encodeFlowsResponse } from "../codec/index.ts";
import { NodeState } from "../gen/relay/relay_pb.ts";

export { NodeState };

/** More names in one message would not fit into one that clients accept. */
const mostNames = 1000;

export class NodeEvents {
  /** By node, what was told last. */
  readonly #last = new Map<string, string>();
  readonly #onReport: () => void;
  #pending = new Map<string, { state: number; message: string; names: string[] }>();

  /** @param onReport something is to be told */
  constructor(onReport: () => void) {
    this.#onReport = onReport;
  }

  /** @param message why, for people */
  report(name: string, state: number, message = ""): void {
    const told = `${state} ${message}`;
    // Of one that is away, why it is not back yet is no news.
    const news = state === NodeState.NODE_ERROR ? told : String(state);
    if (this.#last.get(name) === news) return;
    this.#last.set(name, news);
    if (state === NodeState.NODE_GONE) this.#last.delete(name);
    const same = this.#pending.get(told);
    if (same) same.names.push(name);
    else this.#pending.set(told, { state, message, names: [name] });
    this.#onReport();
  }

  get waiting(): boolean {
    return this.#pending.size > 0;
  }

  /** What was reported since, encoded. */
  take(nodeName: string, nowMs: number): Uint8Array[] {
    const taken = [...this.#pending.values()];
    this.#pending = new Map();
    const timeNs = BigInt(nowMs) * 1_000_000n;
    return taken.flatMap(({ state, message, names }) => {
      const parts: string[][] = [];
      const sorted = names.toSorted();
      for (let at = 0; at < sorted.length; at += mostNames)
        parts.push(sorted.slice(at, at + mostNames));
      return parts.map((nodeNames) =>
        encodeFlowsResponse({ nodeName, timeNs, nodeStatus: { state, nodeNames, message } }),
      );
    });
  }
}
