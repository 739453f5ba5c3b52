// The filters of the place the user is at, and how they change.
import { type Filter, filtersOf, parameterOf } from "../../src/shared/filters.ts";
import { go, place } from "../router.ts";

/** Parameters of a view that are about one thing in it, which other filters may not have. */
const selections = ["flow", "flow-time", "node", "edge", "edge-port", "edge-protocol"] as const;

export function withFilters(query: URLSearchParams, filters: readonly Filter[]): URLSearchParams {
  const next = new URLSearchParams();
  for (const filter of filters) next.append(parameterOf(filter), filter.value);
  const old = new Set(filtersOf(query).map(parameterOf));
  for (const [name, value] of query) {
    if (!old.has(name) && !selections.some((selection) => selection === name))
      next.append(name, value);
  }
  return next;
}

export function setFilters(filters: readonly Filter[]): void {
  const { path, query } = place();
  go(path, withFilters(query, filters));
}

const isSame = (a: Filter, b: Filter) =>
  a.word === b.word && a.value === b.value && a.not === b.not;

export function addFilter(filter: Filter): void {
  const now = filtersOf(place().query);
  if (!now.some((other) => isSame(other, filter))) setFilters([...now, filter]);
}

export function removeFilter(filter: Filter): void {
  setFilters(filtersOf(place().query).filter((other) => !isSame(other, filter)));
}

/** Words about peers that cannot stand beside a namespace of either end... the last one given wins. */
export function replaceWord(word: string, values: readonly string[]): void {
  const others = filtersOf(place().query).filter((filter) => filter.not || filter.word !== word);
  setFilters([...values.map((value) => ({ word, value, not: false })), ...others]);
}
