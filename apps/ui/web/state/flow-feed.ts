// The rows of a flow table: a bounded list that a stream fills. New rows come once per animation frame at most; while
// the user reads further down they wait, so that nothing moves beneath the eyes.
import { type AnswerError, ask } from "../api/client.ts";
import { openLineStream } from "../api/line-stream.ts";
import { FlowDecoder, type SeenFlow } from "../../src/shared/seen-flow.ts";
import type { FlowsLine, Line, Lost, NodeStatus } from "../../src/shared/stream.ts";
import { noteRelay, noteServer } from "./connection.ts";
import { Ring } from "./ring.ts";

export type Row = { readonly id: number } & (
  | { readonly kind: "flow"; readonly flow: SeenFlow }
  | { readonly kind: "lost"; readonly lost: Lost }
  /** Not told: by the server because this page was slow, or by this page because it was paused for long. */
  | { readonly kind: "skipped"; readonly count: number; readonly why: "slow" | "paused" }
  | { readonly kind: "nodes"; readonly status: NodeStatus }
);

export type FeedState = {
  /** Changes with every change of the rows. */
  readonly version: number;
  readonly length: number;
  readonly isPaused: boolean;
  /** New rows that wait until the user goes on. */
  readonly waiting: number;
  readonly seen: number;
  readonly lost: number;
  readonly skipped: number;
  /** Rows per second, over the last seconds. */
  readonly rate: number;
  readonly state: "loading" | "live" | "done" | "refused";
  readonly refusal: string;
  readonly isLoadingOlder: boolean;
  /** There is nothing before the last row. */
  readonly hasAll: boolean;
};

const mostRows = 10_000;
const pageSize = 500;
const retryMs = 1_000;
/** relay.NodeState NODE_CONNECTED. */
const connectedState = 1;
/** Flows of the past may be told again after a reconnect, from this long before the last one that was seen. */
const overlapNs = 1_500_000_000n;

export class FlowFeed {
  /** What is asked: filters, since, until. */
  readonly #query: URLSearchParams;
  readonly #follow: boolean;
  readonly #rows = new Ring<Row>(mostRows);
  readonly #waiting = new Ring<Row>(mostRows);
  readonly #listeners = new Set<() => void>();
  readonly #stopped = new AbortController();
  #decoder = new FlowDecoder();
  #incoming: Row[] = [];
  #overflowed = 0;
  #nextId = 1;
  #lastId = 0;
  #newestNs = 0n;
  /** uuids of what was told already, while a new connection repeats it. */
  #repeated: Set<string> | undefined;
  /** Nodes that relay has lost. */
  readonly #away = new Set<string>();
  #frame = 0;
  #lastFlushMs = 0;
  #rateMarks: { atMs: number; seen: number }[] = [];
  #state: FeedState = {
    version: 0,
    length: 0,
    isPaused: false,
    waiting: 0,
    seen: 0,
    lost: 0,
    skipped: 0,
    rate: 0,
    state: "loading",
    refusal: "",
    isLoadingOlder: false,
    hasAll: false,
  };

  constructor(query: URLSearchParams) {
    this.#query = query;
    this.#follow = !query.has("until");
  }

  readonly get = (): FeedState => this.#state;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** 0 is the newest. */
  row(index: number): Row | undefined {
    return this.#rows.at(index);
  }

  start(): () => void {
    let stop = () => undefined as void;
    void this.#begin().then((isBegun) => {
      if (isBegun && this.#follow && !this.#stopped.signal.aborted) stop = this.#goOn();
    });
    const idle = setInterval(() => this.#noteSilence(), 1_000);
    return () => {
      stop();
      clearInterval(idle);
      this.#stopped.abort();
      cancelAnimationFrame(this.#frame);
    };
  }

  /** The newest flows there are. False: there is nothing to go on with. */
  async #begin(): Promise<boolean> {
    const query = new URLSearchParams(this.#query);
    query.set("number", String(pageSize));
    for (;;) {
      try {
        const answer = await ask<FlowsLine>("flows-before", query, this.#stopped.signal);
        noteServer("connected");
        this.#take(answer, new FlowDecoder());
        this.#change({ state: this.#follow ? "live" : "done" });
        return true;
      } catch (error) {
        if (this.#stopped.signal.aborted) return false;
        const { status, message } = error as AnswerError;
        if (status === 401) return false;
        if (status >= 400 && status < 500) {
          this.#change({ state: "refused", refusal: message });
          return false;
        }
        if (status === 0) noteServer("lost");
        else noteRelay(message.replace(/^relay: /, ""));
        await new Promise((resolve) => setTimeout(resolve, retryMs));
      }
    }
  }

  #goOn(): () => void {
    return openLineStream({
      name: "flows",
      query: () => this.#nextQuery(),
      onConnect: () => this.#onConnect(),
      onLines: (lines) => this.#onLines(lines),
      onRefused: (refusal) => this.#change({ state: "refused", refusal }),
    });
  }

  pause(): void {
    if (!this.#state.isPaused) this.#change({ isPaused: true });
  }

  resume(): void {
    if (!this.#state.isPaused) return;
    if (this.#overflowed > 0) {
      const count = this.#overflowed;
      this.#rows.addNewest({ id: this.#nextId++, kind: "skipped", count, why: "paused" });
    }
    for (let at = this.#waiting.length - 1; at >= 0; at--)
      this.#rows.addNewest(this.#waiting.at(at) as Row);
    this.#waiting.clear();
    this.#overflowed = 0;
    this.#change({ isPaused: false, waiting: 0 });
  }

  /** Goes on before the oldest row. */
  async loadOlder(): Promise<void> {
    const { isLoadingOlder, hasAll, state, isPaused } = this.#state;
    const oldest = this.#oldestFlow();
    if (isLoadingOlder || hasAll || state === "loading" || state === "refused" || !oldest) return;
    // Older rows and new ones do not fit together for ever: who reads back has the new ones wait.
    if (!isPaused && this.#follow) this.pause();
    this.#change({ isLoadingOlder: true });
    try {
      await this.#addOlder(oldest);
    } catch {
      // Asked again when the user scrolls again.
      this.#change({ isLoadingOlder: false });
    }
  }

  async #addOlder(oldest: SeenFlow): Promise<void> {
    const query = new URLSearchParams(this.#query);
    query.set("until", oldest.timeNs);
    query.set("number", String(pageSize));
    const answer = await ask<FlowsLine>("flows-before", query, this.#stopped.signal);
    const known = this.#oldestUuids();
    const older = this.#rowsOf(answer, new FlowDecoder())
      .filter((row) => row.kind !== "flow" || !known.has(row.flow.uuid))
      .toReversed();
    let added = 0;
    for (const row of older) {
      if (!this.#rows.addOldest({ ...row, id: --this.#lastId })) break;
      added++;
    }
    const isFull = added < older.length || this.#rows.length === mostRows;
    this.#change({ isLoadingOlder: false, hasAll: isFull || older.length === 0 });
  }

  /** Flows of the oldest moment: they are told again. */
  #oldestUuids(): Set<string> {
    const known = new Set<string>();
    for (let at = this.#rows.length - 1; at >= 0 && known.size < pageSize; at--) {
      const row = this.#rows.at(at);
      if (row?.kind === "flow") known.add(row.flow.uuid);
    }
    return known;
  }

  #oldestFlow(): SeenFlow | undefined {
    for (let at = this.#rows.length - 1; at >= 0; at--) {
      const row = this.#rows.at(at);
      if (row?.kind === "flow") return row.flow;
    }
    return undefined;
  }

  /** From the newest flow on. However long it was away: no more than the list holds. */
  #nextQuery(): URLSearchParams {
    const query = new URLSearchParams(this.#query);
    query.set("follow", "true");
    query.set("number", String(mostRows));
    query.set("since", this.#newestNs > 0n ? String(this.#newestNs - overlapNs) : "10s");
    return query;
  }

  #onConnect(): void {
    this.#decoder = new FlowDecoder();
    this.#repeated = this.#recentUuids();
    this.#change({ state: "live" });
  }

  #recentUuids(): Set<string> {
    const recent = new Set<string>();
    for (const row of this.#incoming) if (row.kind === "flow") recent.add(row.flow.uuid);
    for (const list of [this.#waiting, this.#rows]) {
      for (let at = 0; at < list.length; at++) {
        const row = list.at(at) as Row;
        if (row.kind !== "flow") continue;
        if (BigInt(row.flow.timeNs) < this.#newestNs - 2n * overlapNs) break;
        recent.add(row.flow.uuid);
      }
    }
    return recent;
  }

  #onLines(lines: readonly Line[]): void {
    for (const line of lines) {
      if (line.kind === "relay") noteRelay(line.connected ? "" : line.error);
      else if (line.kind === "flows") this.#take(line, this.#decoder);
    }
  }

  #take(line: FlowsLine, decoder: FlowDecoder): void {
    for (const row of this.#rowsOf(line, decoder)) {
      if (row.kind === "flow") {
        if (this.#repeated?.has(row.flow.uuid)) continue;
        const ns = BigInt(row.flow.timeNs);
        if (ns > this.#newestNs) this.#newestNs = ns;
      }
      this.#incoming.push(row);
    }
    // A tab that is not looked at has no frames: what waits must not grow there.
    if (this.#incoming.length > mostRows) this.#flush();
    else this.#frame ||= requestAnimationFrame(() => this.#onFrame());
  }

  #rowsOf(line: FlowsLine, decoder: FlowDecoder): Row[] {
    if (line.told) decoder.hear(line.told);
    const rows: Row[] = [];
    const id = () => this.#nextId++;
    for (const status of line.nodes ?? [])
      if (this.#isNews(status)) rows.push({ id: id(), kind: "nodes", status });
    for (const wire of line.flows ?? [])
      rows.push({ id: id(), kind: "flow", flow: decoder.decode(wire) });
    for (const lost of line.lost ?? []) rows.push({ id: id(), kind: "lost", lost });
    if (line.skipped) rows.push({ id: id(), kind: "skipped", count: line.skipped, why: "slow" });
    return rows;
  }

  /** Each stream begins with the nodes that are there, which is as it should be. */
  #isNews({ state, nodes }: NodeStatus): boolean {
    const isBack = nodes.some((node) => this.#away.has(node));
    for (const node of nodes) {
      if (state === connectedState) this.#away.delete(node);
      else this.#away.add(node);
    }
    return state !== connectedState || isBack;
  }

  #onFrame(): void {
    this.#frame = 0;
    const nowMs = performance.now();
    // Nobody reads rows that change with every frame: when there are many, a few times a second is enough.
    const everyMs = this.#state.rate > 300 ? 100 : 0;
    if (nowMs - this.#lastFlushMs < everyMs) {
      this.#frame = requestAnimationFrame(() => this.#onFrame());
      return;
    }
    this.#lastFlushMs = nowMs;
    this.#flush();
  }

  #flush(): void {
    const { isPaused } = this.#state;
    let { seen, lost, skipped } = this.#state;
    const target = isPaused ? this.#waiting : this.#rows;
    for (const row of this.#incoming) {
      if (row.kind === "flow") seen++;
      else if (row.kind === "lost") lost += row.lost.count;
      else if (row.kind === "skipped") skipped += row.count;
      if (isPaused && target.length === mostRows) this.#overflowed++;
      target.addNewest(row);
    }
    this.#incoming = [];
    const rate = this.#rateAt(performance.now(), seen);
    this.#change({ seen, lost, skipped, rate, waiting: this.#waiting.length + this.#overflowed });
  }

  #noteSilence(): void {
    if (this.#state.rate === 0 || performance.now() - this.#lastFlushMs < 1_000) return;
    this.#change({ rate: this.#rateAt(performance.now(), this.#state.seen) });
  }

  #rateAt(atMs: number, seen: number): number {
    const marks = this.#rateMarks;
    const last = marks.at(-1);
    if (!last || atMs - last.atMs > 250) marks.push({ atMs, seen });
    while (marks.length > 2 && atMs - (marks[0]?.atMs ?? 0) > 3_000) marks.shift();
    const first = marks[0];
    if (!first || atMs - first.atMs < 500) return this.#state.rate;
    return ((seen - first.seen) * 1000) / (atMs - first.atMs);
  }

  #change(changes: Partial<FeedState>): void {
    this.#state = {
      ...this.#state,
      ...changes,
      length: this.#rows.length,
      version: this.#state.version + 1,
    };
    for (const listener of this.#listeners) listener();
  }
}
