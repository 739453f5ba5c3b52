// GET of a collection, whole or in pages. All pages of one list show the same moment.
import { randomUUID } from "node:crypto";
import { expired, ApiError, badRequest, versionTooLarge } from "../errors.ts";
import { resourceKey } from "../kinds/kind.ts";
import type { Store, Stored } from "../store/store.ts";
import { checkListOptions, wholeNumber } from "./list-options.ts";
import { selectionOf, type Selection } from "./select.ts";
import type { Target } from "./target.ts";

export type Page = {
  readonly objects: readonly Stored[];
  readonly revision: number;
  /** Token of the next page; undefined on the last. */
  readonly next: string | undefined;
  /** Undefined on the last page, and where a selector chose: as in Kubernetes, who would not know. */
  readonly remaining: number | undefined;
};

type Snapshot = {
  readonly resource: string;
  /** Whose objects they are: who may read one namespace's must not get to another's by a token. */
  readonly namespace: string;
  readonly objects: readonly Stored[];
  readonly revision: number;
  readonly counted: boolean;
  readonly usedAt: number;
};

/** Where a list goes on: within a snapshot, or ("" for one that is gone) with what is there now. */
type Token = {
  readonly snapshot: string;
  /** "namespace/name" of the last object that was told. */
  readonly after: string;
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

  /** @throws ApiError BadRequest, Invalid, Expired (410), Timeout (504: a version that is yet to come) */
  page(target: Target, query: URLSearchParams): Page {
    const limit = wholeNumber(query, "limit") ?? 0;
    checkListOptions(query);
    const text = query.get("continue");
    if (text) return this.#continue(target, readToken(text), { limit, query });
    const selection = selectionOf(target, query);
    const { all, revision } = this.#moment(target, query, limit);
    const objects = select(all, selection);
    return this.#cut(target, { objects, revision, limit, counted: isCounted(query) });
  }

  /** All objects at the moment that the client asks for: now, or the very version that it names. */
  #moment(
    target: Target,
    query: URLSearchParams,
    limit: number,
  ): { readonly all: readonly Stored[]; readonly revision: number } {
    const { revision: current } = this.#store;
    const asked = wholeNumber(query, "resourceVersion") ?? 0;
    const match = query.get("resourceVersionMatch");
    if (asked > current) throw versionTooLarge(asked, current);
    const collection = this.#store.collection(resourceKey(target.kind));
    // A page of a version and no word on how to match it: so lists were continued before there were tokens.
    const exact = asked > 0 && (match === "Exact" || (!match && limit > 0));
    if (!exact) return { all: collection.list(), revision: current };
    const all = collection.listAt(asked);
    if (!all)
      throw expired(`The resourceVersion for the provided list is too old: ${asked} (${current})`);
    return { all, revision: asked };
  }

  #continue(
    target: Target,
    token: Token,
    { limit, query }: { readonly limit: number; readonly query: URLSearchParams },
  ): Page {
    const snapshot = this.#snapshots.get(token.snapshot);
    const selection = selectionOf(target, query);
    if (token.snapshot === "") {
      const all = this.#store.collection(resourceKey(target.kind)).list();
      const objects = select(all, selection).filter((object) => keyOf(object) > token.after);
      const { revision } = this.#store;
      return this.#cut(target, { objects, revision, limit, counted: isCounted(query) });
    }
    const lost =
      !snapshot || snapshot.resource !== resourceKey(target.kind) || this.#isOld(snapshot);
    if (snapshot && snapshot.namespace !== target.namespace) throw badToken();
    if (lost) throw new ExpiredList(writeToken({ snapshot: "", after: token.after }));
    const page = cut({ ...snapshot, id: token.snapshot, after: token.after, limit });
    if (page.next === undefined) this.#snapshots.delete(token.snapshot);
    else this.#keep(token.snapshot, { ...snapshot, usedAt: performance.now() });
    return page;
  }

  #cut(
    target: Target,
    list: Pick<Snapshot, "objects" | "revision" | "counted"> & { readonly limit: number },
  ): Page {
    const { objects, revision, limit, counted } = list;
    if (limit === 0 || objects.length <= limit)
      return { objects, revision, next: undefined, remaining: undefined };
    const id = randomUUID();
    const resource = resourceKey(target.kind);
    const { namespace } = target;
    this.#keep(id, {
      resource,
      namespace,
      objects,
      revision,
      counted,
      usedAt: performance.now(),
    });
    return cut({ id, objects, revision, counted, after: "", limit });
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

/** 410 with a token to go on with all the same: what is told from there on is of a later moment. */
class ExpiredList extends ApiError {
  readonly #next: string;

  constructor(next: string) {
    super(
      410,
      "Expired",
      "The provided continue parameter is too old to display a consistent list result. You can start a new list without it, or go on with the token in this answer, which tells what is there now.",
    );
    this.#next = next;
  }

  override toStatus(): object {
    return { ...super.toStatus(), metadata: { continue: this.#next } };
  }
}

function keyOf({ namespace, name }: Stored): string {
  return `${namespace}/${name}`;
}

function isCounted(query: URLSearchParams): boolean {
  return !query.get("labelSelector") && !query.get("fieldSelector");
}

function select(all: readonly Stored[], selection: Selection): readonly Stored[] {
  return selection ? all.filter(selection) : all;
}

function cut(part: {
  readonly id: string;
  readonly objects: readonly Stored[];
  readonly revision: number;
  readonly counted: boolean;
  readonly after: string;
  readonly limit: number;
}): Page {
  const from = part.after === "" ? 0 : firstAfter(part.objects, part.after);
  const end = part.limit === 0 ? part.objects.length : from + part.limit;
  const objects = part.objects.slice(from, end);
  const remaining = Math.max(0, part.objects.length - end);
  const last = objects.at(-1);
  if (remaining === 0 || !last)
    return { objects, revision: part.revision, next: undefined, remaining: undefined };
  return {
    objects,
    revision: part.revision,
    next: writeToken({ snapshot: part.id, after: keyOf(last) }),
    remaining: part.counted ? remaining : undefined,
  };
}

/** Index of the first object after a key; lists are sorted by it. */
function firstAfter(objects: readonly Stored[], key: string): number {
  let low = 0;
  let high = objects.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (keyOf(objects[middle] as Stored) <= key) low = middle + 1;
    else high = middle;
  }
  return low;
}

function writeToken({ snapshot, after }: Token): string {
  return Buffer.from(`${snapshot}:${after}`).toString("base64url");
}

function readToken(text: string): Token {
  const found = /^([0-9a-f-]{36}|):([^:]*\/[^:]+)$/.exec(
    Buffer.from(text, "base64url").toString("utf8"),
  );
  if (!found) throw badToken();
  return { snapshot: found[1] ?? "", after: found[2] ?? "" };
}

function badToken(): ApiError {
  return badRequest("continue key is not valid");
}
