// The table of flows: only the rows in sight are in the document, and a row's place keeps its elements when the flows
// in it change.
import { useVirtualizer } from "@tanstack/react-virtual";
import {
  type KeyboardEvent,
  memo,
  type ReactNode,
  type RefObject,
  useEffect,
  useMemo,
  useRef,
  useState,
} from "react";
import type { FlowFeed, Row } from "../state/flow-feed.ts";
import type { SeenFlow } from "../../src/shared/seen-flow.ts";
import { useStore } from "../state/store.ts";
import { useMedia } from "../ui/controls.tsx";
import { Icon } from "../ui/icons.tsx";
import { classes, clock, count, plural, visible } from "../ui/text.ts";
import { portText, verdictTone } from "../flow/words.ts";
import { type Column, EndText, Verdict } from "./columns.tsx";

const rowHeight = 28;
const cardHeight = 52;
/** Pixels from the top within which the table follows the newest row. */
const topPx = 4;

export function FlowTable({
  feed,
  columns: wanted,
  selected,
  onSelect,
  isCompact,
}: {
  feed: FlowFeed;
  columns: readonly Column[];
  /** uuid */
  selected: string | undefined;
  onSelect: (flow: SeenFlow | undefined) => void;
  /** Cards instead of columns, for narrow places. */
  isCompact: boolean;
}): ReactNode {
  const state = useStore(feed);
  const scroller = useRef<HTMLDivElement>(null);
  const width = useWidth(scroller);
  const isNarrow = useMedia("(max-width: 700px)") || isCompact;
  const columns = useMemo(() => fittingColumns(wanted, width), [wanted, width]);
  const height = isNarrow ? cardHeight : rowHeight;
  const virtualizer = useVirtualizer({
    count: state.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => height,
    overscan: 4,
    useFlushSync: false,
  });
  useEffect(() => virtualizer.measure(), [height, virtualizer]);
  const items = virtualizer.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (state.length > 0 && last >= state.length - 20 && (scroller.current?.scrollTop ?? 0) > topPx)
      void feed.loadOlder();
  }, [feed, last, state.length]);

  const resume = () => {
    feed.resume();
    scroller.current?.scrollTo({ top: 0 });
  };
  const onScroll = () => {
    const top = scroller.current?.scrollTop ?? 0;
    if (top > topPx) feed.pause();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10 }[event.key];
    if (step !== undefined || event.key === "Home" || event.key === "End") {
      event.preventDefault();
      feed.pause();
      const now = indexOf(feed, selected);
      const next =
        event.key === "Home"
          ? 0
          : event.key === "End"
            ? state.length - 1
            : Math.min(Math.max((now ?? -1) + (step ?? 0), 0), state.length - 1);
      const index = nearestFlow(feed, next, (step ?? 1) < 0 ? -1 : 1);
      const row = index === undefined ? undefined : feed.row(index);
      if (row?.kind !== "flow" || index === undefined) return;
      onSelect(row.flow);
      virtualizer.scrollToIndex(index);
    }
  };
  const template = columns.map(({ width }) => width).join(" ");
  return (
    <div className={classes("flow-table", isNarrow && "is-narrow")}>
      <div
        className="table-scroll"
        ref={scroller}
        onScroll={onScroll}
        onKeyDown={onKeyDown}
        tabIndex={0}
        role="table"
        aria-label="Flows, newest first"
        aria-rowcount={state.length + 1}
        aria-colcount={isNarrow ? 1 : columns.length}
      >
        {!isNarrow && (
          <div
            className="table-head"
            role="row"
            aria-rowindex={1}
            style={{ gridTemplateColumns: template }}
          >
            {columns.map(({ name, title }) => (
              <div role="columnheader" key={name}>
                {title}
              </div>
            ))}
          </div>
        )}
        <div role="rowgroup" className="table-body" style={{ height: virtualizer.getTotalSize() }}>
          {items.map((item) => {
            const row = feed.row(item.index);
            return (
              row && (
                <TableRow
                  key={item.index % 128}
                  row={row}
                  index={item.index}
                  top={item.start}
                  height={height}
                  columns={columns}
                  template={template}
                  isNarrow={isNarrow}
                  isSelected={
                    row.kind === "flow" && selected !== undefined && row.flow.uuid === selected
                  }
                  onSelect={onSelect}
                />
              )
            );
          })}
        </div>
        {state.length === 0 && <EmptyTable state={state.state} refusal={state.refusal} />}
        {state.isLoadingOlder && <p className="table-note">Looking further back …</p>}
      </div>
      {state.isPaused && state.waiting > 0 && (
        <button type="button" className="resume" onClick={resume}>
          <Icon name="up" size={14} /> {plural(state.waiting, "new flow")}
        </button>
      )}
    </div>
  );
}

/** Given up, in this order, where the place is too small for all. */
const givenUp = ["node", "event", "port", "info", "direction"] as const;

function fittingColumns(columns: readonly Column[], widthPx: number): readonly Column[] {
  let fitting = columns;
  const needed = () => fitting.reduce((sum, { leastPx }) => sum + leastPx, 0);
  for (const name of givenUp) {
    if (widthPx === 0 || needed() <= widthPx) break;
    fitting = fitting.filter((column) => column.name !== name);
  }
  return fitting;
}

/** Rounded, so that a dragged window does not lay the table out for every pixel. */
function useWidth(element: RefObject<HTMLElement | null>): number {
  const [width, setWidth] = useState(0);
  useEffect(() => {
    if (!element.current) return undefined;
    const observer = new ResizeObserver(([entry]) =>
      setWidth(Math.floor((entry?.contentRect.width ?? 0) / 20) * 20),
    );
    observer.observe(element.current);
    return () => observer.disconnect();
  }, [element]);
  return width;
}

function indexOf(feed: FlowFeed, uuid: string | undefined): number | undefined {
  if (uuid === undefined) return undefined;
  const { length } = feed.get();
  for (let at = 0; at < length; at++) {
    const row = feed.row(at);
    if (row?.kind === "flow" && row.flow.uuid === uuid) return at;
  }
  return undefined;
}

/** Rows that tell of losses are passed over. */
function nearestFlow(feed: FlowFeed, from: number, step: 1 | -1): number | undefined {
  for (let at = from; ; at += step) {
    const row = feed.row(at);
    if (!row) return undefined;
    if (row.kind === "flow") return at;
  }
}

function EmptyTable({ state, refusal }: { state: string; refusal: string }): ReactNode {
  const text = {
    loading: "Asking …",
    live: "Nothing yet. Flows appear here as they happen.",
    done: "No flow matches in this time.",
    refused: refusal,
  }[state];
  return (
    <div className={classes("empty", state === "refused" && "is-error")} role="status">
      <p>{text}</p>
    </div>
  );
}

type RowProps = {
  row: Row;
  index: number;
  top: number;
  height: number;
  columns: readonly Column[];
  template: string;
  isNarrow: boolean;
  isSelected: boolean;
  onSelect: (flow: SeenFlow | undefined) => void;
};

const TableRow = memo(function TableRow({
  row,
  index,
  top,
  height,
  columns,
  template,
  isNarrow,
  isSelected,
  onSelect,
}: RowProps): ReactNode {
  const place = { transform: `translateY(${top}px)`, height };
  if (row.kind !== "flow") {
    return (
      <div role="row" aria-rowindex={index + 2} className="table-row is-note" style={place}>
        <div role="cell" aria-colspan={columns.length}>
          <NoteText row={row} />
        </div>
      </div>
    );
  }
  const { flow } = row;
  return (
    <div
      role="row"
      aria-rowindex={index + 2}
      {...(isSelected ? { "aria-current": true as const } : {})}
      className={classes("table-row", `row-${verdictTone(flow)}`, isSelected && "is-selected")}
      style={isNarrow ? place : { ...place, gridTemplateColumns: template }}
      onClick={() => onSelect(flow)}
    >
      {isNarrow ? (
        <FlowCard flow={flow} />
      ) : (
        columns.map(({ name, cell }) => (
          <div role="cell" key={name}>
            {cell(flow)}
          </div>
        ))
      )}
    </div>
  );
});

function FlowCard({ flow }: { flow: SeenFlow }): ReactNode {
  return (
    <div role="cell" className="flow-card">
      <div className="flow-card-ends">
        <EndText flow={flow} end="source" port="hidden" />
        <Icon name="arrow" size={12} />
        <EndText flow={flow} end="destination" port="hidden" />
      </div>
      <div className="flow-card-facts">
        <Verdict flow={flow} />
        <span>{portText(flow)}</span>
        <span className="mono">{clock(flow.timeMs)}</span>
      </div>
    </div>
  );
}

const lostWhere = [
  "somewhere",
  "in the kernel: events came faster than they are handed over",
  "in the agent: it could not keep up",
  "in the server's memory: they were overwritten before they were read",
] as const;

function NoteText({ row }: { row: Exclude<Row, { kind: "flow" }> }): ReactNode {
  switch (row.kind) {
    case "lost": {
      const { count: lost, node, source } = row.lost;
      return (
        <>
          <Icon name="warning" size={14} /> {plural(lost, "flow")} lost
          {node === "" ? "" : ` on ${visible(node)}`}, {lostWhere[source] ?? lostWhere[0]}
        </>
      );
    }
    case "skipped":
      return row.why === "slow" ? (
        <>
          <Icon name="warning" size={14} /> {plural(row.count, "flow")} left out here: more than
          this page can take
        </>
      ) : (
        <>{count(row.count)} flows went by while this list was paused</>
      );
    case "nodes":
      return (
        <>
          {row.status.nodes.map(visible).join(", ")}: {nodeStates[row.status.state] ?? "changed"}
          {row.status.message === "" ? "" : `: ${visible(row.status.message)}`}
        </>
      );
  }
}

const nodeStates = [
  "state unknown",
  "connected",
  "not available, no flows from it for now",
  "gone",
  "error",
] as const;
