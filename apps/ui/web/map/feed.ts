// Fills the map's model: one stream for what happens now, one for what was before it (or for a range of the past).
import { openLineStream } from "../api/line-stream.ts";
import { noteRelay } from "../state/connection.ts";
import { Store } from "../state/store.ts";
import type { Line, MapLine } from "../../src/shared/stream.ts";
import { MapModel, newNumbering, type Numbering } from "./model.ts";

export type MapFeedState = {
  /** Changes with what the model holds. */
  readonly version: number;
  readonly isLoading: boolean;
  /** Of the past: how much of the range has been read, 0 to 1. */
  readonly progress: number;
  readonly refusal: string;
  readonly lost: number;
  readonly skipped: number;
};

export type MapSpan =
  | { readonly kind: "live"; readonly spanMs: number }
  | { readonly kind: "past"; readonly sinceMs: number; readonly untilMs: number };

const bucketsOfPast = 240;
const niceMs = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600].map((s) => s * 1000);

export function bucketMsFor(spanMs: number): number {
  return niceMs.find((ms) => spanMs / ms <= bucketsOfPast) ?? 3_600_000;
}

export class MapFeed {
  readonly model: MapModel;
  readonly span: MapSpan;
  readonly state = new Store<MapFeedState>({
    version: 0,
    isLoading: true,
    progress: 0,
    refusal: "",
    lost: 0,
    skipped: 0,
  });
  readonly #filters: URLSearchParams;
  readonly #startedMs = Date.now();

  /** @param filters what is asked, without times */
  constructor(filters: URLSearchParams, span: MapSpan) {
    this.#filters = filters;
    this.span = span;
    this.model = new MapModel(
      span.kind === "live" ? 1_000 : bucketMsFor(span.untilMs - span.sinceMs),
    );
  }

  start(): () => void {
    const { span } = this;
    if (span.kind === "past") return this.#readPast(span.sinceMs, span.untilMs);
    // The spans' border: what is before it comes from the past, what is after it as it happens.
    const borderMs = Math.floor(this.#startedMs / 1000) * 1000;
    const stopPast = this.#readPast(this.#startedMs - span.spanMs, borderMs);
    const stopLive = this.#follow(borderMs);
    const tick = setInterval(() => this.#forgetOld(), 1_000);
    return () => {
      stopPast();
      stopLive();
      clearInterval(tick);
    };
  }

  #follow(borderMs: number): () => void {
    let numbering = newNumbering();
    return openLineStream({
      name: "map",
      query: () => {
        const fromMs = this.#goOnFromMs(borderMs);
        return this.#query({ since: new Date(fromMs).toISOString(), follow: "true" });
      },
      onConnect: () => {
        numbering = newNumbering();
        this.model.forgetFrom(this.#goOnFromMs(borderMs));
      },
      onLines: (lines) => this.#take(lines, numbering),
      onRefused: (refusal) => this.#change({ refusal, isLoading: false }),
    });
  }

  /** The last spans may have been told in part only: they are told again as a whole. Who rested for long missed more than is shown. */
  #goOnFromMs(borderMs: number): number {
    const { span } = this;
    const shownMs = span.kind === "live" ? span.spanMs : 0;
    const firstMs = Math.floor((Date.now() - shownMs) / 1000) * 1000;
    return Math.max(borderMs, this.model.newestMs - 2_000, firstMs);
  }

  #readPast(sinceMs: number, untilMs: number): () => void {
    let numbering = newNumbering();
    let isDone = false;
    return openLineStream({
      name: "map",
      query: () =>
        isDone
          ? undefined
          : this.#query({
              since: new Date(sinceMs).toISOString(),
              until: new Date(untilMs - 1).toISOString(),
            }),
      onConnect: () => {
        numbering = newNumbering();
        this.model.forgetBefore(untilMs);
      },
      onLines: (lines) => {
        this.#take(lines, numbering);
        for (const line of lines) {
          if (line.kind === "end") {
            isDone = true;
            this.#change({ isLoading: false, progress: 1 });
          } else if (line.kind === "map" && line.readToMs !== undefined) {
            this.#change({ progress: (line.readToMs - sinceMs) / (untilMs - sinceMs) });
          }
        }
      },
      onRefused: (refusal) => this.#change({ refusal, isLoading: false }),
    });
  }

  #query(more: Readonly<Record<string, string>>): URLSearchParams {
    const query = new URLSearchParams(this.#filters);
    query.set("bucket", String(this.model.bucketMs));
    for (const [name, value] of Object.entries(more)) query.set(name, value);
    return query;
  }

  #take(lines: readonly Line[], numbering: Numbering): void {
    const maps: MapLine[] = [];
    for (const line of lines) {
      if (line.kind === "relay") noteRelay(line.connected ? "" : line.error);
      else if (line.kind === "map") maps.push(line);
    }
    if (maps.length === 0) return;
    let { lost, skipped } = this.state.get();
    for (const line of maps) {
      this.model.take(line, numbering);
      for (const { count } of line.lost ?? []) lost += count;
      skipped += line.skipped ?? 0;
    }
    this.#change({ lost, skipped });
  }

  #forgetOld(): void {
    if (this.span.kind !== "live") return;
    this.model.forgetBefore(Date.now() - this.span.spanMs - 2_000);
    this.#change({});
  }

  #change(changes: Partial<MapFeedState>): void {
    const before = this.state.get();
    this.state.set({ ...before, ...changes, version: before.version + 1 });
  }
}
