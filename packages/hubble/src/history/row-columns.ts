// The columns of a block that have a value for each flow, by the names that writer and reader share.
import type { ByteReader } from "./bytes.ts";
import { type Column, readColumn } from "./planes.ts";

/** In the order in which they are written. */
export const rowColumnNames = [
  /** Flows left out since the one before. */
  "sequence",
  /** Since the one before, zigzag. */
  "time",
  /** Text that the UUID begins with; 0: it is the text `uuid`. */
  "storeId",
  "uuid",
  "conversation",
  "shape",
  "clientPort",
  "summary",
  "layer7",
  /** Since the last one that was not 0, zigzag, + 1; 0: none, or `cookieText`. */
  "cookie",
  "cookieText",
] as const;

export type RowColumnName = (typeof rowColumnNames)[number];
export type RowColumns = Readonly<Record<RowColumnName, Column>>;

/** Room for `capacity` flows. */
export function rowColumns(capacity: number): RowColumns {
  const narrow = () => new Uint32Array(capacity);
  const wide = () => new Float64Array(capacity);
  return {
    sequence: wide(),
    time: wide(),
    storeId: narrow(),
    uuid: narrow(),
    conversation: narrow(),
    shape: narrow(),
    clientPort: narrow(),
    summary: narrow(),
    layer7: narrow(),
    cookie: wide(),
    cookieText: narrow(),
  };
}

/** Columns that are decoded when they are first asked for: few filters look at more than one or two. */
export class StoredColumns {
  readonly #readers: Readonly<Record<RowColumnName, () => Column>>;

  /** @throws HistoryError corrupt */
  constructor(from: ByteReader, count: number) {
    const readers = rowColumnNames.map((name) => [name, lazyColumn(from, count)] as const);
    this.#readers = Object.fromEntries(readers) as Record<RowColumnName, () => Column>;
  }

  get(name: RowColumnName): Column {
    return this.#readers[name]();
  }
}

function lazyColumn(from: ByteReader, count: number): () => Column {
  const part = from.column(count);
  let values: Column | undefined;
  return () => (values ??= readColumn(part, count));
}
