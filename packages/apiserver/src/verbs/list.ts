// GET of a collection, whole or in pages. All pages of one list show the same moment.
import { randomUUID } from "node:crypto";
import { badRequest, expired, versionTooLarge } from "../errors.ts";
import { resourceKey } from "../kinds/kind.ts";
import type { Store, Stored } from "../store/store.ts";
import { selectionOf } from "./select.ts";
import type { Target } from "./target.ts";

export type Page = {
  readonly objects: readonly Stored[];
  readonly revision: number;
  /** Token of the next page; undefined on the last. */
  readonly next: string | undefined;
  readonly remaining: number;
};

type Snapshot = {
  readonly resource: string;
  readonly objects: readonly Stored[];
  readonly revision: number;
  readonly usedAt: number;
};

/**
 * Lists that are being read page by page. A snapshot is a list of references to objects that never change;
 * it is forgotten after a while, or when too many are open, and its token then answers 410.
 */
export class Lists {
  readonly #store: Store;
  readonly #snapshots = new Map<string, Snapshot>();
  readonly #maxSnapshots: number;
  readonly #maxAgeMs: number;

  constructor(
    store: Store,
    limits: { readonly maxSnapshots: number; readonly maxAgeMs: number } = {
      maxSnapshots: 200,
      maxAgeMs: 120_000,
    },
  ) {
    this.#store = store;
    this.#maxSnapshots = limits.maxSnapshots;
    this.#maxAgeMs = limits.maxAgeMs;
  }

  /** @throws ApiError BadRequest, Expired (410), Timeout (504: a version that is yet to come) */
  page(target: Target, query: URLSearchParams): Page {
    const limit = wholeNumber(query, "limit") ?? 0;
    const token = query.get("continue");
    if (token) return this.#continue(target, token, limit);
    checkVersion(query, this.#store.revision);
    const selection = selectionOf(target, query);
    const all = this.#store.collection(resourceKey(target.kind)).list();
    const objects = selection ? all.filter(selection) : all;
    const revision = this.#store.revision;
    if (limit === 0 || objects.length <= limit)
      return { objects, revision, next: undefined, remaining: 0 };
    const id = randomUUID();
    this.#keep(id, {
      resource: resourceKey(target.kind),
      objects,
      revision,
      usedAt: performance.now(),
    });
    return cut({ id, objects, revision, from: 0, limit });
  }

  #continue(target: Target, token: string, limit: number): Page {
    const [id = "", offset] = Buffer.from(token, "base64url").toString("utf8").split(":");
    const from = Number(offset);
    if (!Number.isSafeInteger(from) || from < 0) throw badRequest("continue key is not valid");
    const snapshot = this.#snapshots.get(id);
    if (!snapshot || snapshot.resource !== resourceKey(target.kind) || this.#isOld(snapshot)) {
      throw expired(
        "The provided continue parameter is too old to display a consistent list result. You must start a new list without the continue parameter.",
      );
    }
    const { objects, revision } = snapshot;
    this.#keep(id, { ...snapshot, usedAt: performance.now() });
    const page = cut({ id, objects, revision, from, limit: limit === 0 ? objects.length : limit });
    if (page.next === undefined) this.#snapshots.delete(id);
    return page;
  }

  #isOld(snapshot: Snapshot): boolean {
    return performance.now() - snapshot.usedAt > this.#maxAgeMs;
  }

  #keep(id: string, snapshot: Snapshot): void {
    this.#snapshots.delete(id);
    this.#snapshots.set(id, snapshot);
    for (const [other, kept] of this.#snapshots) {
      if (this.#snapshots.size <= this.#maxSnapshots && !this.#isOld(kept)) break;
      this.#snapshots.delete(other);
    }
  }
}

function cut(part: {
  readonly id: string;
  readonly objects: readonly Stored[];
  readonly revision: number;
  readonly from: number;
  readonly limit: number;
}): Page {
  const end = part.from + part.limit;
  const remaining = Math.max(0, part.objects.length - end);
  return {
    objects: part.objects.slice(part.from, end),
    revision: part.revision,
    next: remaining > 0 ? Buffer.from(`${part.id}:${end}`).toString("base64url") : undefined,
    remaining,
  };
}

/** We only have the present to list: an exact version must be it, and the future cannot be waited for. */
function checkVersion(query: URLSearchParams, current: number): void {
  const asked = wholeNumber(query, "resourceVersion") ?? 0;
  if (asked > current) throw versionTooLarge(asked, current);
  if (query.get("resourceVersionMatch") === "Exact" && asked !== current) {
    throw expired(`The resourceVersion for the provided list is too old: ${asked} (${current})`);
  }
}

/** A query parameter that is a number, or undefined when it is not there. @throws ApiError BadRequest */
export function wholeNumber(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === "") return undefined;
  if (!/^\d{1,15}$/.test(text))
    throw badRequest(`${name} must be a whole number, not ${JSON.stringify(text)}`);
  return Number(text);
}
