// Tables as items: what each row says, and what its end says.
import type { Table } from "@tsilium/tables";
import type { FeedItem } from "./model.ts";

/** Something that items come from. */
export type FeedSource = {
  /** All that holds now. */
  items(): Iterable<FeedItem>;
  /** Says what changes from now on. */
  follow(say: (item: FeedItem) => void): Disposable;
};

/** The rows of a table, one item each; `gone` undefined: their end is not told. */
export function tableSource<Row>(
  table: Table<Row>,
  words: {
    readonly present: (row: Row) => FeedItem;
    readonly gone?: (row: Row) => FeedItem;
  },
): FeedSource {
  return {
    items: () => table.values().map(words.present),
    follow: (say) =>
      table.subscribe(({ kind, row }) => {
        if (kind === "upsert") say(words.present(row));
        else if (words.gone) say(words.gone(row));
      }),
  };
}
