// Where the user is: the view's path and its query. The browser's back and forward buttons work, and an address can be
// sent to a colleague.
import { useSyncExternalStore } from "react";

export type Place = { readonly path: string; readonly query: URLSearchParams };

const listeners = new Set<() => void>();
let current = read();

function read(): Place {
  return { path: location.pathname, query: new URLSearchParams(location.search) };
}

function changed(): void {
  current = read();
  for (const listener of listeners) listener();
}

addEventListener("popstate", changed);

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function usePlace(): Place {
  return useSyncExternalStore(subscribe, () => current);
}

export function place(): Place {
  return current;
}

export function href(path: string, query: URLSearchParams): string {
  const search = query.toString();
  return search === "" ? path : `${path}?${search}`;
}

/** `replace`: no new entry in the history, for what changes in small steps. */
export function go(
  path: string,
  query: URLSearchParams = new URLSearchParams(),
  how: "push" | "replace" = "push",
): void {
  const url = href(path, query);
  if (url === location.pathname + location.search) return;
  if (how === "replace") history.replaceState(null, "", url);
  else history.pushState(null, "", url);
  changed();
}

/** Changes parameters of the place the user is at; undefined takes one away. */
export function setQuery(
  changes: Readonly<Record<string, string | undefined>>,
  how: "push" | "replace" = "push",
): void {
  const query = new URLSearchParams(current.query);
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined) query.delete(name);
    else query.set(name, value);
  }
  go(current.path, query, how);
}
