// One click to what is dropped.
import type { ReactNode } from "react";
import { filtersOf } from "../../src/shared/filters.ts";
import { addFilter } from "./place-filters.ts";

/** The question asked most: what is dropped? */
export function VerdictSwitch({ query }: { query: URLSearchParams }): ReactNode {
  const isOnlyDrops = filtersOf(query).some(
    ({ word, value, not }) => word === "verdict" && value === "DROPPED" && !not,
  );
  if (isOnlyDrops) return null;
  return (
    <button
      type="button"
      className="button tone-drop"
      onClick={() => addFilter({ word: "verdict", value: "DROPPED", not: false })}
    >
      Only drops
    </button>
  );
}
