// The view of the map.
import { type ReactNode, useCallback, useEffect, useMemo, useRef, useState } from "react";
import { filtersOf, parameterOf, timeMs } from "../../src/shared/filters.ts";
import { FilterBar } from "../filter/bar.tsx";
import { NamespacePicker } from "../filter/namespaces.tsx";
import { SavedFilters } from "../filter/saved-filters.tsx";
import { go, setQuery, usePlace } from "../router.ts";
import { useStore } from "../state/store.ts";
import { TimePicker } from "../time/picker.tsx";
import { rangeOf } from "../time/range.ts";
import { IconButton, useKeys } from "../ui/controls.tsx";
import { isTexts, readSaved, writeSaved } from "../ui/saved.ts";
import { classes, count } from "../ui/text.ts";
import { VerdictSwitch } from "../filter/verdict-switch.tsx";
import { MapCanvas } from "./canvas.tsx";
import { Connections } from "./connections.tsx";
import { MapFeed, type MapSpan } from "./feed.ts";
import { mapCounts, mapGraph } from "./graph.ts";
import { LayoutClient } from "./layout/client.ts";
import { MapPanel } from "./panel.tsx";
import { Timeline, type Window, windowTimes } from "./timeline.tsx";
import { MapView, type Picked } from "./view.ts";

/** With more cards than this, namespaces are folded until the user unfolds them. */
const manyCards = 80;
/** Counts and lines are brought up to date this often. */
const tickMs = 500;
const liveWindowMs = 15_000;

export function MapPage(): ReactNode {
  const { query } = usePlace();
  const filters = String(
    new URLSearchParams(filtersOf(query).map((filter) => [parameterOf(filter), filter.value])),
  );
  const times = `${query.get("since") ?? ""} ${query.get("until") ?? ""}`;
  // A past range is fixed when it is chosen; live goes on.
  const feed = useMemo(
    () => new MapFeed(new URLSearchParams(filters), spanOf(query)),
    [filters, times],
  );
  return <LoadedMap key={`${filters} ${times}`} feed={feed} filters={filters} />;
}

function spanOf(query: URLSearchParams): MapSpan {
  return rangeOf(query, Date.now());
}

function LoadedMap({ feed, filters }: { feed: MapFeed; filters: string }): ReactNode {
  const { query } = usePlace();
  const view = useMemo(() => new MapView(), [feed]);
  const state = useStore(feed.state);
  const [isTable, setTable] = useState(false);
  const [isPanelOpen, setPanelOpen] = useState(false);
  const { folded, setFolded } = useFolded(view);
  const isLive = feed.span.kind === "live";
  const [window, setWindow] = useWindow(feed, query);
  const { fromMs, toMs } = useTimes(feed, state.version);
  const layout = useLayout(view);
  useEffect(() => feed.start(), [feed]);
  useTicks(feed, view, folded.names, () => windowTimes(window, ...spanNow(feed)));
  useEffect(() => view.graph.subscribe(() => layout.ask("keep")), [view, layout]);

  const picked = pickedOf(query);
  useEffect(() => view.picked.set(picked), [view, picked?.kind, picked?.id]);
  const pick = useCallback((next: Picked | undefined) => {
    if (!next) setPanelOpen(false);
    setQuery({
      node: next?.kind === "card" ? next.id : undefined,
      edge: next?.kind === "pair" ? next.id : undefined,
    });
  }, []);
  const fold = useCallback(
    (namespace: string, isFolded: boolean) => setFolded(namespace, isFolded),
    [setFolded],
  );
  useKeys((event) => {
    if (event.key === "Escape") pick(undefined);
  });
  const { startMs, endMs } = windowTimes(window, fromMs, toMs);
  const isPast = !isLive || window.kind === "at";
  const asked = new URLSearchParams(filters);
  if (picked) asked.set(picked.kind === "card" ? "node" : "edge", picked.id);
  if (isPast) {
    asked.set("since", new Date(startMs).toISOString());
    asked.set("until", new Date(endMs).toISOString());
  }
  const hasPanel = picked !== undefined || isPanelOpen;
  const buckets = useMemo(() => feed.model.buckets(), [feed, state.version]);
  const toFlows = () => {
    const next = new URLSearchParams(filters);
    for (const name of ["since", "until"]) {
      const value = query.get(name);
      if (value !== null) next.set(name, value);
    }
    go("/flows", next);
  };
  return (
    <div className="page map-page">
      <div className="toolbar">
        <NamespacePicker />
        <FilterBar />
        <VerdictSwitch query={query} />
        <TimePicker />
        <SavedFilters />
      </div>
      <div className={classes("split", hasPanel && "has-panel")}>
        <div className="map-main">
          {isTable ? (
            <div className="map-table">
              <Connections view={view} onPick={pick} />
            </div>
          ) : (
            <MapCanvas
              view={view}
              onPick={pick}
              onFold={fold}
              onTidy={() => {
                view.fits.set(view.fits.get() + 1);
                layout.ask("anew");
              }}
              more={
                <IconButton
                  icon="collapse"
                  label={folded.isAll ? "Unfold all namespaces" : "Fold all namespaces"}
                  pressed={folded.isAll}
                  onClick={() => setFolded("*", !folded.isAll)}
                />
              }
            />
          )}
          <div className="map-switch">
            <button
              type="button"
              className="button small"
              aria-pressed={isTable}
              onClick={() => setTable(!isTable)}
            >
              {isTable ? "Map" : "Table"}
            </button>
            <button
              type="button"
              className="button small"
              aria-pressed={isPanelOpen && !picked}
              onClick={() => (hasPanel ? pick(undefined) : setPanelOpen(true))}
            >
              Flows
            </button>
            <button type="button" className="link-button" onClick={toFlows}>
              All as a list
            </button>
          </div>
          <MapNote view={view} refusal={state.refusal} isLoading={state.isLoading} />
        </div>
        {hasPanel && (
          <MapPanel
            key={picked ? `${picked.kind} ${picked.id}` : "all"}
            view={view}
            picked={picked}
            asked={String(asked)}
            isPast={isPast}
            onPick={pick}
          />
        )}
      </div>
      <Timeline
        buckets={buckets}
        bucketMs={feed.model.bucketMs}
        fromMs={fromMs}
        toMs={toMs}
        isLive={isLive}
        progress={state.isLoading ? state.progress : 1}
        window={window}
        widths={windowWidths(feed)}
        onWindow={setWindow}
      />
      {state.lost + state.skipped > 0 && (
        <div className="feed-bar">
          {state.lost > 0 && (
            <span className="tone-drop">
              <b>{count(state.lost)}</b> lost
            </span>
          )}
          {state.skipped > 0 && (
            <span className="tone-audit">
              <b>{count(state.skipped)}</b> left out
            </span>
          )}
        </div>
      )}
    </div>
  );
}

function MapNote({
  view,
  refusal,
  isLoading,
}: {
  view: MapView;
  refusal: string;
  isLoading: boolean;
}): ReactNode {
  const graph = useStore(view.graph);
  if (refusal !== "")
    return (
      <p className="map-note is-error" role="status">
        {refusal}
      </p>
    );
  if (graph.cards.length > 0) return null;
  return (
    <p className="map-note" role="status">
      {isLoading ? "Looking for traffic …" : "No traffic in this time."}
    </p>
  );
}

function pickedOf(query: URLSearchParams): Picked | undefined {
  const node = query.get("node");
  if (node !== null) return { kind: "card", id: node };
  const edge = query.get("edge");
  return edge === null ? undefined : { kind: "pair", id: edge };
}

function spanNow({ span }: MapFeed): [fromMs: number, toMs: number] {
  if (span.kind === "past") return [span.sinceMs, span.untilMs];
  const nowMs = Date.now();
  return [nowMs - span.spanMs, nowMs];
}

/** Times that the timeline begins and ends at; whole spans, so that its bars stand still in between. */
function useTimes(feed: MapFeed, _version: number): { fromMs: number; toMs: number } {
  const { bucketMs } = feed.model;
  const [fromMs, toMs] = spanNow(feed);
  if (feed.span.kind === "past") return { fromMs, toMs };
  const end = Math.ceil(toMs / bucketMs) * bucketMs;
  return { fromMs: end - feed.span.spanMs, toMs: end };
}

function windowWidths(feed: MapFeed): readonly number[] {
  const { bucketMs } = feed.model;
  return bucketMs === 1_000
    ? [liveWindowMs, 5_000, 30_000, 60_000]
    : [10 * bucketMs, bucketMs, 3 * bucketMs, 30 * bucketMs];
}

/** The window, which the URL keeps: "at" is its end, "window" its width in milliseconds. */
function useWindow(feed: MapFeed, query: URLSearchParams): [Window, (window: Window) => void] {
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
function useTicks(
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

function useLayout(view: MapView): { ask: (how: "keep" | "anew") => void } {
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
function useFolded(view: MapView): {
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
