// Flows to the page: as a stream that follows, or so many before a time.
import { type FlowMatcher, type Flow } from "@tsilium/hubble/model.ts";
import { compileFilters } from "@tsilium/hubble/filter/index.ts";
import { flowToJson } from "@tsilium/hubble/codec/index.ts";
import type { LineWriter } from "../http/lines.ts";
import { type JsonRoute, RequestError, type StreamRoute } from "../http/server.ts";
import type { MapNames } from "../map/node-of.ts";
import { type Selection, selectionOf } from "../map/selection.ts";
import type { Relay } from "../relay/relay.ts";
import { followFlows } from "../relay/follow.ts";
import { FlowEncoder, type WireFlow } from "../shared/seen-flow.ts";
import type { FlowsLine, Lost, NodeStatus } from "../shared/stream.ts";
import { type FlowQuery, flowQuery, mostFlows } from "./flow-query.ts";

/** Lines go out this often at most. */
const flushMs = 50;
/** Flows that wait for a browser that does not read. */
const mostWaiting = 5_000;

/** "flows": lines until the browser goes. */
export function flowsRoute(relay: Relay, names: MapNames): StreamRoute {
  return async (parameters, writer) => {
    const query = flowQuery(parameters, Date.now());
    const selection = selectionOf(parameters, names);
    const outlet = new FlowOutlet(writer);
    const { asked, isWanted } = narrowed(query, selection);
    try {
      await followFlows(relay, asked, {
        signal: writer.signal,
        withoutRelay: "wait",
        handlers: {
          flow: (flow) => {
            if (isWanted(flow)) outlet.flow(flow);
          },
          lost: (lost) => outlet.lost(lost),
          nodes: (status) => outlet.nodes(status),
          relay: (error) => writer.write({ kind: "relay", connected: error === "", error }),
          // What follows is never held up: what does not fit is counted. A past is read as fast as it is taken.
          batchDone: () => (query.follow ? undefined : outlet.drained()),
        },
      });
    } finally {
      outlet.flush();
      outlet[Symbol.dispose]();
    }
    writer.end();
  };
}

/** "flows-before": one answer with the newest flows before a time, oldest first. */
export function flowsBeforeRoute(relay: Relay, names: MapNames): JsonRoute {
  return async (parameters, signal) => {
    const query = flowQuery(parameters, Date.now());
    if (query.number === 0) throw new RequestError(400, "number: how many?");
    const selection = selectionOf(parameters, names);
    let read = await readBefore(relay, query, { selection, ask: query.number, signal });
    // What is tested here thins out what relay tells: then it is asked for more, once.
    if (selection && read.flows.length < query.number && read.told >= query.number)
      read = await readBefore(relay, query, { selection, ask: mostFlows, signal });
    // Relay tells the newest of each node: of all of them together only so many are without gaps.
    const newest = read.flows.slice(-query.number);
    const encoder = new FlowEncoder();
    const flows = newest.map((flow) => encoder.encode(flow));
    const firstMs = Number((newest[0]?.timeNs ?? 0n) / 1_000_000n);
    const lost = read.lost.filter(({ timeMs }) => timeMs >= firstMs);
    return { kind: "flows", told: encoder.takeTold(), flows, lost } satisfies FlowsLine;
  };
}

type Read = { readonly flows: Flow[]; readonly lost: Lost[]; readonly told: number };

async function readBefore(
  relay: Relay,
  query: FlowQuery,
  {
    selection,
    ask,
    signal,
  }: {
    readonly selection: Selection | undefined;
    readonly ask: number;
    readonly signal: AbortSignal;
  },
): Promise<Read> {
  const { asked, isWanted } = narrowed(query, selection);
  const flows: Flow[] = [];
  const lost: Lost[] = [];
  let told = 0;
  await followFlows(
    relay,
    { ...asked, follow: false, number: ask },
    {
      signal,
      withoutRelay: "fail",
      handlers: {
        flow: (flow) => {
          told++;
          if (isWanted(flow)) flows.push(flow);
          if (flows.length >= 4 * query.number) flows.splice(0, flows.length - query.number);
        },
        lost: (event) => {
          if (lost.length < 1_000) lost.push(event);
        },
        nodes: () => undefined,
        relay: () => undefined,
        batchDone: () => undefined,
      },
    },
  );
  return { flows, lost, told };
}

/** "flow": one flow by its uuid, looked for around its time; with it as `hubble observe -o jsonpb` has it. */
export function flowRoute(relay: Relay): JsonRoute {
  return async (parameters, signal) => {
    const uuid = parameters.get("uuid") ?? "";
    const time = parameters.get("time") ?? "";
    if (uuid === "") throw new RequestError(400, "uuid: which flow?");
    const around = new URLSearchParams({ uuid, number: "1" });
    if (/^\d{16,20}$/.test(time)) {
      around.set("since", String(BigInt(time) - 1_000_000n));
      around.set("until", String(BigInt(time) + 1_000_000n));
    }
    let found: Flow | undefined;
    await followFlows(relay, flowQuery(around, Date.now()), {
      signal,
      withoutRelay: "fail",
      handlers: {
        flow: (flow) => {
          found = flow;
        },
        lost: () => undefined,
        nodes: () => undefined,
        relay: () => undefined,
        batchDone: () => undefined,
      },
    });
    if (!found) throw new RequestError(404, "No node keeps this flow any longer.");
    const encoder = new FlowEncoder();
    const flows = [encoder.encode(found)];
    return { kind: "flows", told: encoder.takeTold(), flows, json: flowToJson(found) };
  };
}

/**
 * What relay is asked, and what is left to test here. With a selection of the map the narrower of the two goes to
 * relay: the selection when it can be said in filters, and the page's own filters are tested here.
 */
export function narrowed(
  query: FlowQuery,
  selection: Selection | undefined,
): { readonly asked: FlowQuery; readonly isWanted: (flow: Flow) => boolean } {
  if (!selection) return { asked: query, isWanted: () => true };
  const { filters } = selection;
  if (!filters) return { asked: query, isWanted: (flow) => selection.includes(flow) };
  const own = query.whitelist.length > 0 ? compiled(query.whitelist) : undefined;
  return {
    asked: { ...query, whitelist: filters },
    isWanted: (flow) => (own?.matches(flow) ?? true) && selection.includes(flow),
  };
}

/** @throws RequestError */
function compiled(whitelist: FlowQuery["whitelist"]): FlowMatcher {
  try {
    return compileFilters({ whitelist });
  } catch (error) {
    throw new RequestError(400, (error as Error).message);
  }
}

/** Gathers flows and sends them in lines; holds a bounded number. */
class FlowOutlet implements Disposable {
  readonly #writer: LineWriter;
  readonly #encoder = new FlowEncoder();
  #flows: WireFlow[] = [];
  #lost: Lost[] = [];
  #nodes: NodeStatus[] = [];
  #skipped = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(writer: LineWriter) {
    this.#writer = writer;
  }

  flow(flow: Flow): void {
    if (this.#flows.length >= mostWaiting) {
      this.flush();
      if (this.#flows.length >= mostWaiting) {
        this.#skipped++;
        return;
      }
    }
    this.#flows.push(this.#encoder.encode(flow));
    this.#timer ??= setTimeout(() => this.flush(), flushMs);
  }

  lost(lost: Lost): void {
    if (this.#lost.length < mostWaiting) this.#lost.push(lost);
    this.#timer ??= setTimeout(() => this.flush(), flushMs);
  }

  nodes(status: NodeStatus): void {
    if (this.#nodes.length < mostWaiting) this.#nodes.push(status);
    this.#timer ??= setTimeout(() => this.flush(), flushMs);
  }

  /** Resolves when there is room for more. */
  async drained(): Promise<void> {
    this.flush();
    await this.#writer.drained();
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#flows.length + this.#lost.length + this.#nodes.length + this.#skipped === 0) return;
    if (!this.#writer.canWrite) {
      // Tried again; meanwhile what does not fit is counted.
      if (!this.#writer.signal.aborted) this.#timer = setTimeout(() => this.flush(), flushMs);
      return;
    }
    this.#writer.write({
      kind: "flows",
      told: this.#encoder.takeTold(),
      flows: this.#flows,
      ...(this.#lost.length > 0 ? { lost: this.#lost } : {}),
      ...(this.#nodes.length > 0 ? { nodes: this.#nodes } : {}),
      ...(this.#skipped > 0 ? { skipped: this.#skipped } : {}),
    });
    this.#flows = [];
    this.#lost = [];
    this.#nodes = [];
    this.#skipped = 0;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
