// What keeps the map's view going: its times, ticks, layout, and which namespaces are folded.
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { timeMs } from "../../src/shared/filters.ts";
import { setQuery } from "../router.ts";
import { useStore } from "../state/store.ts";
import { isTexts, readSaved, writeSaved } from "../ui/saved.ts";
import type { MapFeed } from "./feed.ts";
import { mapCounts, mapGraph } from "./graph.ts";
import { LayoutClient } from "./layout/client.ts";
import type { Window } from "./timeline.tsx";
import type { MapView } from "./view.ts";

/** With more cards than this, namespaces are folded until the user unfolds them. */
const manyCards = 80;
/** Counts and lines are brought up to date this often. */
const tickMs = 500;
const liveWindowMs = 15_000;

export function spanNow({ span }: MapFeed): [fromMs: number, toMs: number] {
  if (span.kind === "past") return [span.sinceMs, span.untilMs];
  const nowMs = Date.now();
  return [nowMs - span.spanMs, nowMs];
}

/** Times that the timeline begins and ends at; whole spans, so that its bars stand still in between. */
export function useTimes(feed: MapFeed, _version: number): { fromMs: number; toMs: number } {
  const { bucketMs } = feed.model;
  const [fromMs, toMs] = spanNow(feed);
  if (feed.span.kind === "past") return { fromMs, toMs };
  const end = Math.ceil(toMs / bucketMs) * bucketMs;
  return { fromMs: end - feed.span.spanMs, toMs: end };
}

export function windowWidths(feed: MapFeed): readonly number[] {
  const { bucketMs } = feed.model;
  return bucketMs === 1_000
    ? [liveWindowMs, 5_000, 30_000, 60_000]
    : [10 * bucketMs, bucketMs, 3 * bucketMs, 30 * bucketMs];
}

/** The window, which the URL keeps: "at" is its end, "window" its width in milliseconds. */
export function useWindow(
  feed: MapFeed,
  query: URLSearchParams,
): [Window, (window: Window) => void] {
  const at = timeMs(query.get("at") ?? "", Date.now());
  const width = Number(query.get("window") ?? "");
  const widthMs = width > 0 ? width : (windowWidths(feed)[0] as number);
  const window: Window =
    at !== undefined
      ? { kind: "at", endMs: at, widthMs }
      : query.get("window") === "whole" || (feed.span.kind === "past" && !(width > 0))
        ? { kind: "whole" }
        : { kind: "newest", widthMs };
  const set = useCallback((next: Window) => {
    setQuery(
      {
        at: next.kind === "at" ? new Date(next.endMs).toISOString() : undefined,
        window: next.kind === "whole" ? "whole" : String(next.widthMs),
      },
      "replace",
    );
  }, []);
  return [window, set];
}

/** Brings graph and counts up to date a few times a second, when something came. */
export function useTicks(
  feed: MapFeed,
  view: MapView,
  folded: ReadonlySet<string>,
  times: () => { startMs: number; endMs: number },
): void {
  const latest = useRef(times);
  latest.current = times;
  useEffect(() => {
    let told = "";
    const tick = () => {
      const { startMs, endMs } = latest.current();
      const now = `${feed.state.get().version} ${startMs} ${endMs}`;
      if (now === told || document.hidden) return;
      told = now;
      const graph = mapGraph(feed.model, folded);
      if (graph.signature !== view.graph.get().signature) view.graph.set(graph);
      view.counts.set(mapCounts(view.graph.get(), feed.model.sum(startMs, endMs), endMs - startMs));
    };
    tick();
    const timer = setInterval(tick, tickMs);
    return () => clearInterval(timer);
  }, [feed, view, folded]);
}

export function useLayout(view: MapView): { ask: (how: "keep" | "anew") => void } {
  const client = useRef<LayoutClient | undefined>(undefined);
  useEffect(() => {
    const started = new LayoutClient((result) => view.layout.set(result));
    client.current = started;
    return () => {
      client.current = undefined;
      started[Symbol.dispose]();
    };
  }, [view]);
  return useMemo(
    () => ({
      ask: (how) => {
        const { cards, pairs } = view.graph.get();
        client.current?.ask(
          {
            items: cards.map(({ id, group }) => ({ id, group })),
            links: pairs.map(({ source, destination }) => [source, destination] as const),
            shape: Math.min(2.2, Math.max(0.5, innerWidth / Math.max(1, innerHeight - 150))),
          },
          how,
        );
      },
    }),
    [view],
  );
}

type Folded = { readonly names: ReadonlySet<string>; readonly isAll: boolean };

/** Namespaces that are drawn as one card. What the user folds is kept; where there is very much, all are to begin with. */
export function useFolded(view: MapView): {
  folded: Folded;
  setFolded: (namespace: string, isFolded: boolean) => void;
} {
  const graph = useStore(view.graph);
  const [names, setNames] = useState<ReadonlySet<string>>(
    () => new Set(readSaved("folded", isTexts) ?? []),
  );
  const [isDecided, setDecided] = useState(false);
  const open = graph.groups.map(({ id }) => id);
  const isAll = open.length === 0 && names.size > 0;
  useEffect(() => {
    if (isDecided || graph.cards.length === 0) return;
    if (graph.cards.length <= manyCards || open.length < 2) return;
    setDecided(true);
    view.fits.set(view.fits.get() + 1);
    setNames(new Set([...names, ...open]));
  });
  const setFolded = useCallback(
    (namespace: string, isFolded: boolean) => {
      setDecided(true);
      if (namespace === "*") view.fits.set(view.fits.get() + 1);
      setNames((before) => {
        const next =
          namespace === "*"
            ? new Set(isFolded ? [...before, ...view.graph.get().groups.map(({ id }) => id)] : [])
            : new Set(before);
        if (namespace !== "*" && isFolded) next.add(namespace);
        if (namespace !== "*" && !isFolded) next.delete(namespace);
        writeSaved("folded", [...next]);
        return next;
      });
    },
    [view],
  );
  return { folded: { names, isAll }, setFolded };
}
