// The view of the map.
import { type ReactNode, useCallback, useEffect, useMemo, useState } from "react";
import { filtersOf, parameterOf } from "../../src/shared/filters.ts";
import { FilterBar } from "../filter/bar.tsx";
import { NamespacePicker } from "../filter/namespaces.tsx";
import { SavedFilters } from "../filter/saved-filters.tsx";
import { go, setQuery, usePlace } from "../router.ts";
import { useStore } from "../state/store.ts";
import { TimePicker } from "../time/picker.tsx";
import { rangeOf } from "../time/range.ts";
import { IconButton, useKeys } from "../ui/controls.tsx";
import { classes, count } from "../ui/text.ts";
import { VerdictSwitch } from "../filter/verdict-switch.tsx";
import { MapCanvas } from "./canvas.tsx";
import { Connections } from "./connections.tsx";
import { MapFeed, type MapSpan } from "./feed.ts";
import {
  spanNow,
  useFolded,
  useLayout,
  useTicks,
  useTimes,
  useWindow,
  windowWidths,
} from "./hooks.ts";
import { MapPanel } from "./panel.tsx";
import { Timeline, windowTimes } from "./timeline.tsx";
import { MapView, type Picked } from "./view.ts";

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
