// A table of objects: found by typing, sorted by a click on a column's head, rows beyond those in sight left out.
import { useVirtualizer } from "@tanstack/react-virtual";
import { type ReactNode, useEffect, useMemo, useRef, useState } from "react";
import type { ObjectRow } from "../../src/shared/stream.ts";
import { setQuery, usePlace } from "../router.ts";
import { useStore } from "../state/store.ts";
import { useKeys, useMedia } from "../ui/controls.tsx";
import { Icon } from "../ui/icons.tsx";
import { classes, count } from "../ui/text.ts";
import { ObjectsFeed } from "./feed.ts";

export type ObjectColumn<T> = {
  readonly title: string;
  readonly width: string;
  readonly cell: (row: T) => ReactNode;
  /** For sorting. */
  readonly value: (row: T) => string | number;
};

export type ObjectTableProps<T> = {
  readonly kind: string;
  readonly title: string;
  readonly columns: readonly ObjectColumn<T>[];
  /** Text that a search looks through. */
  readonly text: (row: T) => string;
  /** Beneath the toolbar: what a selected row shows. */
  readonly details?: (row: T, close: () => void) => ReactNode;
};

const rowHeight = 34;
const cardHeight = 64;

export function ObjectTable<T extends { readonly key: string }>({
  kind,
  title,
  columns,
  text,
  details,
}: ObjectTableProps<T>): ReactNode {
  const { query } = usePlace();
  const feed = useMemo(() => new ObjectsFeed(kind), [kind]);
  useEffect(() => feed.start(), [feed]);
  const state = useStore(feed.state);
  const search = query.get("q") ?? "";
  const [sort, setSort] = useState({ column: 0, sign: 1 as 1 | -1 });
  const rows = useMemo(
    () => shownRows<T>(feed.rows, { search, text, column: columns[sort.column], sign: sort.sign }),
    [feed, state.version, search, sort, columns, text],
  );
  const key = query.get("key");
  const selected = key === null ? undefined : (feed.rows.get(key) as unknown as T | undefined);
  const field = useRef<HTMLInputElement>(null);
  useKeys((event) => {
    if (event.key === "/") {
      event.preventDefault();
      field.current?.focus();
    } else if (event.key === "Escape" && key !== null) setQuery({ key: undefined });
  });
  const panel = selected && details?.(selected, () => setQuery({ key: undefined }));
  return (
    <div className="page objects-page">
      <div className="toolbar">
        <h1>{title}</h1>
        <label className="search-field">
          <Icon name="search" size={14} />
          <input
            ref={field}
            type="search"
            aria-label={`Search ${title.toLowerCase()}`}
            placeholder="Search"
            value={search}
            onChange={(event) => setQuery({ q: event.target.value || undefined }, "replace")}
          />
          <kbd className="hint-key">/</kbd>
        </label>
        <span className="muted" role="status">
          {rows.length === feed.rows.size
            ? count(rows.length)
            : `${count(rows.length)} of ${count(feed.rows.size)}`}
        </span>
      </div>
      {state.error !== "" && (
        <p className="note is-error" role="status">
          {state.error}
        </p>
      )}
      <div className={classes("split", Boolean(panel) && "has-panel")}>
        <Rows
          rows={rows}
          columns={columns}
          sort={sort}
          onSort={setSort}
          selected={key}
          canSelect={details !== undefined}
          title={title}
          isSynced={state.isSynced}
          hasError={state.error !== ""}
        />
        {panel}
      </div>
    </div>
  );
}

function shownRows<T>(
  all: ReadonlyMap<string, ObjectRow>,
  {
    search,
    text,
    column,
    sign,
  }: {
    search: string;
    text: (row: T) => string;
    column: ObjectColumn<T> | undefined;
    sign: 1 | -1;
  },
): T[] {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const rows = ([...all.values()] as unknown as T[]).filter((row) => {
    const within = words.length > 0 ? text(row).toLowerCase() : "";
    return words.every((word) => within.includes(word));
  });
  if (!column) return rows;
  const { value } = column;
  return rows.toSorted((a, b) => {
    const left = value(a);
    const right = value(b);
    if (left === right) return 0;
    return (left < right ? -1 : 1) * sign;
  });
}

function Rows<T extends { readonly key: string }>({
  rows,
  columns,
  sort,
  onSort,
  selected,
  canSelect,
  title,
  isSynced,
  hasError,
}: {
  rows: readonly T[];
  columns: readonly ObjectColumn<T>[];
  sort: { column: number; sign: 1 | -1 };
  onSort: (sort: { column: number; sign: 1 | -1 }) => void;
  selected: string | null;
  canSelect: boolean;
  title: string;
  isSynced: boolean;
  hasError: boolean;
}): ReactNode {
  const scroller = useRef<HTMLDivElement>(null);
  const isNarrow = useMedia("(max-width: 700px)");
  const height = isNarrow ? cardHeight : rowHeight;
  const virtualizer = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => height,
    overscan: 8,
    useFlushSync: false,
  });
  useEffect(() => virtualizer.measure(), [height, virtualizer]);
  const template = columns.map(({ width }) => width).join(" ");
  const select = (key: string) => {
    if (canSelect) setQuery({ key: key === selected ? undefined : key });
  };
  return (
    <div className={classes("flow-table object-table", isNarrow && "is-narrow")}>
      <div
        className="table-scroll"
        ref={scroller}
        role="table"
        aria-label={title}
        aria-rowcount={rows.length + 1}
        tabIndex={0}
      >
        <div className="table-head" role="row" style={{ gridTemplateColumns: template }}>
          {columns.map((column, index) => {
            const isSorted = sort.column === index;
            return (
              <div
                role="columnheader"
                key={column.title}
                aria-sort={isSorted ? (sort.sign === 1 ? "ascending" : "descending") : "none"}
              >
                <button
                  type="button"
                  onClick={() =>
                    onSort({ column: index, sign: isSorted && sort.sign === 1 ? -1 : 1 })
                  }
                >
                  {column.title}
                  {isSorted && <Icon name={sort.sign === 1 ? "down" : "up"} size={12} />}
                </button>
              </div>
            );
          })}
        </div>
        <div role="rowgroup" className="table-body" style={{ height: virtualizer.getTotalSize() }}>
          {virtualizer.getVirtualItems().map((item) => {
            const row = rows[item.index];
            return (
              row && (
                <div
                  role="row"
                  key={row.key}
                  aria-rowindex={item.index + 2}
                  className={classes(
                    "table-row",
                    canSelect && "is-clickable",
                    row.key === selected && "is-selected",
                  )}
                  style={{
                    transform: `translateY(${item.start}px)`,
                    height,
                    gridTemplateColumns: template,
                  }}
                  onClick={(event) => {
                    if (!(event.target as Element).closest("a, button")) select(row.key);
                  }}
                >
                  {columns.map((column, index) => (
                    <div role="cell" key={column.title} data-title={column.title}>
                      {index === 0 && canSelect ? (
                        <button
                          type="button"
                          className="row-button"
                          aria-expanded={row.key === selected}
                          onClick={() => select(row.key)}
                        >
                          {column.cell(row)}
                        </button>
                      ) : (
                        column.cell(row)
                      )}
                    </div>
                  ))}
                </div>
              )
            );
          })}
        </div>
        {rows.length === 0 && !hasError && (
          <div className="empty">
            <p>{isSynced ? "There is none." : "Asking the API server …"}</p>
          </div>
        )}
      </div>
    </div>
  );
}
