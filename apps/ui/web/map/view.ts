// What the map shows at the moment, for parts that draw by themselves: React is not asked for every count.
import { Store } from "../state/store.ts";
import type { MapCounts, MapGraph } from "./graph.ts";
import type { LayoutResult } from "./layout/map-layout.ts";

export type Picked =
  | { readonly kind: "card"; readonly id: string }
  | { readonly kind: "pair"; readonly id: string };

export class MapView {
  readonly graph = new Store<MapGraph>({
    signature: "",
    cards: [],
    groups: [],
    pairs: [],
    inner: new Map(),
  });
  readonly layout = new Store<LayoutResult>({ items: {}, groups: {} });
  readonly counts = new Store<MapCounts>({
    spanMs: 1_000,
    pairs: new Map(),
    cards: new Map(),
    groups: new Map(),
  });
  readonly picked = new Store<Picked | undefined>(undefined);
  readonly hovered = new Store<Picked | undefined>(undefined);
  /** Grows when the map is to be shown as a whole, once it has its next places. */
  readonly fits = new Store<number>(1);
  /** The card that the keyboard is at. */
  readonly focused = new Store<string | undefined>(undefined);
}
