// Where everything of the map is. Two grids, one in the other: cards in a namespace, and namespaces (with what stands
// alone) on the map. It remembers: what was placed stays beside what it was beside, newcomers get free places, and who
// comes back finds the old one.
//
//   +-- shop --------------------+      +-- data ------+
//   | [web]   [frontend] [cart]  |      | [postgres]   |     (kube-apiserver)
//   |         [admin]            |      +--------------+
//   +----------------------------+      (world)
import { arrange, type Cell, type Link, placeFor } from "./grid.ts";

export type LayoutItem = {
  readonly id: string;
  /** "": it stands alone. */
  readonly group: string;
};

export type LayoutInput = {
  readonly items: readonly LayoutItem[];
  readonly links: readonly Link[];
  /** Of the place that the map is shown in: width by height. */
  readonly shape: number;
};

export type Box = {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
};

export type LayoutResult = {
  readonly items: Readonly<Record<string, Box>>;
  readonly groups: Readonly<Record<string, Box>>;
};

export const card = { width: 192, height: 48 } as const;
const gap = { column: 84, row: 14, mostRow: 52 } as const;
const group = { padding: 16, header: 34, gapX: 84, gapY: 36 } as const;

/** With more newcomers than this share of what is there, the old order is worth nothing. */
const newcomersForAnew = 0.4;

export class MapLayout {
  /** Group -> item -> place. */
  readonly #inside = new Map<string, Map<string, Cell>>();
  /** Groups, and what stands alone. */
  #outside = new Map<string, Cell>();
  /** Between the rows of a group. Chosen when the map is arranged, so that it fills the place; kept from then on. */
  #rowGap: number | undefined;

  /** Forgets: the next layout is made anew. */
  forget(): void {
    this.#inside.clear();
    this.#outside.clear();
    this.#rowGap = undefined;
  }

  update({ items, links, shape }: LayoutInput): LayoutResult {
    const groupOf = new Map(items.map(({ id, group: name }) => [id, name]));
    const members = new Map<string, string[]>();
    for (const { id, group: name } of items) {
      const key = name === "" ? `alone ${id}` : `group ${name}`;
      members.set(key, [...(members.get(key) ?? []), id]);
    }
    for (const [key, ids] of members)
      if (key.startsWith("group ")) this.#placeInside(key, ids, linksAmong(ids, links));
    const place = (rowGap: number) => {
      this.#rowGap = rowGap;
      const sizes = new Map(
        [...members].map(([key, ids]) => [
          key,
          key.startsWith("alone ") ? card : this.#size(key, ids),
        ]),
      );
      return this.#placeOutside([...members.keys()], linksBetween(links, groupOf), {
        sizes,
        shape,
      });
    };
    const isNew = this.#rowGap === undefined;
    let boxes: ReadonlyMap<string, Box> = place(this.#rowGap ?? gap.row);
    if (isNew) boxes = this.#filled(boxes, shape, place);
    return this.#result(members, boxes);
  }

  /** A map that is wider than its place has room between its rows: lines and their names are seen better there. */
  #filled(
    boxes: ReadonlyMap<string, Box>,
    shape: number,
    place: (rowGap: number) => Map<string, Box>,
  ): ReadonlyMap<string, Box> {
    let filled = boxes;
    for (const rowGap of [24, 36, gap.mostRow]) {
      const all = [...boxes.values()];
      const width = Math.max(0, ...all.map((box) => box.x + box.width));
      const before = this.#rowGap ?? gap.row;
      const next = place(rowGap);
      const height = Math.max(0, ...[...next.values()].map((box) => box.y + box.height));
      if (width / height < shape) {
        filled = place(before);
        break;
      }
      filled = next;
    }
    return filled;
  }

  #placeInside(key: string, ids: readonly string[], links: readonly Link[]): void {
    const mostRows = Math.max(4, Math.ceil(Math.sqrt(ids.length * 2.2)));
    this.#inside.set(key, keep(this.#inside.get(key) ?? new Map(), ids, links, mostRows));
  }

  #size(key: string, ids: readonly string[]): Size {
    const cells = this.#inside.get(key) as ReadonlyMap<string, Cell>;
    const shown = ids.map((id) => cells.get(id) as Cell);
    const columns = Math.max(...shown.map(({ column }) => column)) + 1;
    const rows = Math.max(...shown.map(({ row }) => row)) + 1;
    return {
      width: columns * card.width + (columns - 1) * gap.column + 2 * group.padding,
      height:
        rows * card.height + (rows - 1) * (this.#rowGap ?? gap.row) + group.header + group.padding,
    };
  }

  /** Columns from left to right, each as tall as makes the whole about as wide as a screen. */
  #placeOutside(
    keys: readonly string[],
    links: readonly Link[],
    { sizes, shape }: Space,
  ): Map<string, Box> {
    this.#outside = keepColumns(this.#outside, keys, links, { sizes, shape });
    const columns = new Map<number, string[]>();
    for (const key of keys) {
      const { column } = this.#outside.get(key) as Cell;
      columns.set(column, [...(columns.get(column) ?? []), key]);
    }
    const boxes = new Map<string, Box>();
    let x = 0;
    for (const [, column] of [...columns].toSorted(([a], [b]) => a - b)) {
      const widest = Math.max(...column.map((key) => sizes.get(key)?.width ?? 0));
      let y = 0;
      for (const key of column.toSorted((a, b) => this.#rowOf(a) - this.#rowOf(b))) {
        const { width, height } = sizes.get(key) ?? card;
        boxes.set(key, { x: x + (widest - width) / 2, y, width, height });
        y += height + group.gapY;
      }
      x += widest + group.gapX;
    }
    return boxes;
  }

  #rowOf(key: string): number {
    return this.#outside.get(key)?.row ?? 0;
  }

  #result(
    members: ReadonlyMap<string, readonly string[]>,
    boxes: ReadonlyMap<string, Box>,
  ): LayoutResult {
    const items: Record<string, Box> = {};
    const groups: Record<string, Box> = {};
    for (const [key, ids] of members) {
      const box = boxes.get(key) as Box;
      if (key.startsWith("alone ")) {
        items[ids[0] as string] = box;
        continue;
      }
      groups[key.slice("group ".length)] = box;
      const cells = this.#inside.get(key) as ReadonlyMap<string, Cell>;
      for (const id of ids) {
        const { column, row } = cells.get(id) as Cell;
        items[id] = {
          ...card,
          x: box.x + group.padding + column * (card.width + gap.column),
          y: box.y + group.header + row * (card.height + (this.#rowGap ?? gap.row)),
        };
      }
    }
    return { items, groups };
  }
}

type Size = { readonly width: number; readonly height: number };

type Space = { readonly sizes: ReadonlyMap<string, Size>; readonly shape: number };

/** As `keep`, for things of different sizes: a column is full by its height. */
function keepColumns(
  old: ReadonlyMap<string, Cell>,
  keys: readonly string[],
  links: readonly Link[],
  { sizes, shape }: Space,
): Map<string, Cell> {
  const newcomers = keys.filter((key) => !old.has(key));
  const stayed = keys.length - newcomers.length;
  if (stayed > 0 && (newcomers.length <= 4 || newcomers.length <= stayed * newcomersForAnew)) {
    const cells = new Map(old);
    for (const key of newcomers)
      cells.set(key, placeFor(key, links, cells, Number.POSITIVE_INFINITY));
    return cells;
  }
  const order = [...arrange(keys, links, Number.POSITIVE_INFINITY)]
    .toSorted(([, a], [, b]) => a.column - b.column || a.row - b.row)
    .map(([key]) => key);
  const area = keys.reduce((sum, key) => {
    const { width, height } = sizes.get(key) ?? card;
    return sum + (width + group.gapX) * (height + group.gapY);
  }, 0);
  const tallest = Math.max(...keys.map((key) => sizes.get(key)?.height ?? 0));
  const even = Math.sqrt(area / shape);
  let best: { cells: Map<string, Cell>; worth: number } | undefined;
  for (const fullPx of [0.8, 1, 1.25, 1.6, 2.2].map((factor) => Math.max(tallest, even * factor))) {
    for (const mayLink of [true, false]) {
      const cells = fillColumns(order, links, { sizes, fullPx, mayLink });
      const worth = worthOf(cells, links, { sizes, shape });
      if (!best || worth > best.worth) best = { cells, worth };
    }
  }
  return best?.cells ?? new Map();
}

/** @param mayLink whether one may be above another that it talks to */
function fillColumns(
  order: readonly string[],
  links: readonly Link[],
  {
    sizes,
    fullPx,
    mayLink,
  }: {
    readonly sizes: ReadonlyMap<string, Size>;
    readonly fullPx: number;
    readonly mayLink: boolean;
  },
): Map<string, Cell> {
  const cells = new Map<string, Cell>();
  let column = -1;
  let row = 0;
  let filledPx = Number.POSITIVE_INFINITY;
  for (const key of order) {
    const { height } = sizes.get(key) ?? card;
    const isLinked = links.some(
      ([from, to]) =>
        (from === key && cells.get(to)?.column === column) ||
        (to === key && cells.get(from)?.column === column),
    );
    if (filledPx + height > fullPx || (isLinked && !mayLink)) {
      column++;
      row = 0;
      filledPx = 0;
    }
    cells.set(key, { column, row: row++ });
    filledPx += height + group.gapY;
  }
  return cells;
}

/** How large it can be shown, less what is lost by lines that run within a column. */
function worthOf(
  cells: ReadonlyMap<string, Cell>,
  links: readonly Link[],
  { sizes, shape }: Space,
): number {
  const columns = new Map<number, Size>();
  for (const [key, { column }] of cells) {
    const { width, height } = sizes.get(key) ?? card;
    const before = columns.get(column) ?? { width: 0, height: 0 };
    columns.set(column, {
      width: Math.max(before.width, width),
      height: before.height + height + group.gapY,
    });
  }
  const all = [...columns.values()];
  const width = all.reduce((sum, column) => sum + column.width + group.gapX, 0);
  const height = Math.max(...all.map((column) => column.height));
  const within = links.filter(([from, to]) => cells.get(from)?.column === cells.get(to)?.column);
  const lost = links.length === 0 ? 0 : within.length / links.length;
  return Math.min(shape / width, 1 / height) * (1 - 0.8 * lost);
}

/** Old places for who had one, free ones for newcomers; all anew when there are many of them. */
function keep(
  old: ReadonlyMap<string, Cell>,
  ids: readonly string[],
  links: readonly Link[],
  mostRows: number,
): Map<string, Cell> {
  const newcomers = ids.filter((id) => !old.has(id));
  const stayed = ids.length - newcomers.length;
  if (newcomers.length > 4 && newcomers.length > stayed * newcomersForAnew)
    return arrange(ids, links, mostRows);
  if (stayed === 0) return arrange(ids, links, mostRows);
  // Places of those that are gone stay theirs, until the order is made anew.
  const cells = new Map(old);
  const rows = Math.max(mostRows, ...[...cells.values()].map(({ row }) => row + 1));
  for (const id of newcomers) cells.set(id, placeFor(id, links, cells, rows));
  return cells;
}

function linksAmong(ids: readonly string[], links: readonly Link[]): Link[] {
  const inside = new Set(ids);
  return links.filter(([from, to]) => inside.has(from) && inside.has(to));
}

function linksBetween(links: readonly Link[], groupOf: ReadonlyMap<string, string>): Link[] {
  const keyOf = (id: string) => {
    const name = groupOf.get(id);
    return name === undefined || name === "" ? `alone ${id}` : `group ${name}`;
  };
  const found = new Map<string, Link>();
  for (const [from, to] of links) {
    const link: Link = [keyOf(from), keyOf(to)];
    if (link[0] !== link[1]) found.set(link.join("\n"), link);
  }
  return [...found.values()];
}
