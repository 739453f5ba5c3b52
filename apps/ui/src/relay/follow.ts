// The stream of flows that a page asked for, from whatever connection there is: when relay goes away, it waits, asks
// again from where it was, and leaves out what was told already.
import { setTimeout as sleep } from "node:timers/promises";
import { decodeFlowsResponse, flowDecoder } from "@tsilium/hubble/codec/index.ts";
import { Code, ConnectError } from "@tsilium/hubble/grpc/index.ts";
import type { Flow } from "@tsilium/hubble/model.ts";
import type { FlowQuery } from "../flows/flow-query.ts";
import { RequestError } from "../http/server.ts";
import type { Lost, NodeStatus } from "../shared/stream.ts";
import { type Relay, relayErrorText } from "./relay.ts";

/** Called synchronously, in the stream's order. */
export type FollowHandlers = {
  flow(flow: Flow): void;
  lost(lost: Lost): void;
  nodes(status: NodeStatus): void;
  /** "": connected. */
  relay(error: string): void;
  /** After each batch: the reader is asked for more when this resolves. */
  batchDone(): Promise<void> | undefined;
};

const retryMs = { first: 250, most: 5_000 } as const;
/** Streams of several nodes are in order to within this much. */
const disorderNs = 2_000_000_000n;

export type FollowOptions = {
  readonly handlers: FollowHandlers;
  readonly signal: AbortSignal;
  /** While there is no relay: wait for it, or say so at once. */
  readonly withoutRelay: "wait" | "fail";
};

/**
 * Runs until everything is told (a query that does not follow), or the signal aborts.
 * @throws RequestError 400 when relay refuses the request; 502 when it breaks off a query that does not follow, of
 * which something has been told, or is not there
 */
export async function followFlows(
  relay: Relay,
  query: FlowQuery,
  { handlers, signal, withoutRelay }: FollowOptions,
): Promise<void> {
  const reading = new Reading(handlers);
  let delayMs: number = retryMs.first;
  let asked = query;
  while (!signal.aborted) {
    const told = reading.told;
    try {
      await reading.read(relay.flows(asked, signal));
      if (!query.follow) return;
      handlers.relay("relay ended the stream");
    } catch (error) {
      if (signal.aborted) return;
      const refused = error instanceof ConnectError && isRefusal(error);
      if (refused) throw new RequestError(400, relayErrorText(error));
      const canWait = withoutRelay === "wait" && (query.follow || reading.told === 0);
      if (!canWait) throw new RequestError(502, `relay: ${relayErrorText(error)}`);
      handlers.relay(relayErrorText(error));
    }
    if (reading.told > told) delayMs = retryMs.first;
    await sleep(delayMs * (0.75 + Math.random() / 2), undefined, { signal }).catch(() => undefined);
    delayMs = Math.min(delayMs * 2, retryMs.most);
    asked = reading.again(query);
  }
}

/** Asking the same again would be refused again. */
function isRefusal({ code }: ConnectError): boolean {
  return [
    Code.InvalidArgument,
    Code.Unimplemented,
    Code.PermissionDenied,
    Code.Unauthenticated,
  ].includes(code);
}

class Reading {
  /** Messages so far. */
  told = 0;
  readonly #handlers: FollowHandlers;
  #newestNs = 0n;
  /** Flows of the last moments, of which a new stream may tell again. */
  #recent = new Map<string, bigint>();
  #isRepeating = false;

  constructor(handlers: FollowHandlers) {
    this.#handlers = handlers;
  }

  async read(batches: AsyncIterable<readonly Uint8Array[]>): Promise<void> {
    const decode = flowDecoder();
    for await (const batch of batches) {
      if (this.told === 0 || this.#isRepeating) this.#handlers.relay("");
      for (const bytes of batch) this.#take(decodeFlowsResponse(bytes, decode));
      this.#forgetOld();
      await this.#handlers.batchDone();
    }
  }

  /** The query that goes on from here. */
  again(query: FlowQuery): FlowQuery {
    this.#isRepeating = true;
    if (this.#newestNs === 0n) return query;
    return { ...query, number: 0, sinceNs: this.#newestNs - disorderNs };
  }

  #take(response: ReturnType<typeof decodeFlowsResponse>): void {
    if (!response) return;
    this.told++;
    if ("flow" in response) {
      const { flow } = response;
      const { uuid, timeNs } = flow;
      if (uuid !== "") {
        if (this.#isRepeating && this.#recent.has(uuid)) return;
        this.#recent.set(uuid, timeNs);
      }
      if (timeNs > this.#newestNs) this.#newestNs = timeNs;
      this.#handlers.flow(flow);
    } else if ("lost" in response) {
      const { source, count } = response.lost;
      this.#handlers.lost({
        node: response.nodeName,
        source,
        count,
        timeMs: Number(response.timeNs / 1_000_000n),
      });
    } else {
      const { state, nodeNames, message } = response.nodeStatus;
      this.#handlers.nodes({ state, nodes: nodeNames, message });
    }
  }

  #forgetOld(): void {
    const oldest = this.#newestNs - 2n * disorderNs;
    for (const [uuid, timeNs] of this.#recent) {
      // In the order in which they came, nearly that of time.
      if (timeNs >= oldest && this.#recent.size < mostRecent) return;
      this.#recent.delete(uuid);
    }
  }
}

const mostRecent = 200_000;
