// GET with watch=true: the changes of a collection, one JSON document per line, for as long as it lasts.
//
// A watcher holds a cursor into its resource's window of changes and writes only while its client reads.
// One that reads too slowly finds its place forgotten and is sent away with 410; nothing piles up for it.
import type { ServerResponse } from "node:http";
import { ApiError, expired, versionTooLarge } from "../errors.ts";
import { apiVersionOf, resourceKey } from "../kinds/kind.ts";
import { withApiVersion, type ApiObject } from "../objects/object.ts";
import type { Store, Stored } from "../store/store.ts";
import type { Change } from "../store/window.ts";
import { checkWatchOptions, wholeNumber } from "./list-options.ts";
import { selectionOf, type Selection } from "./select.ts";
import type { Target } from "./target.ts";

/** Turns an object into what stands in the event: the object itself, or a Table with its row. */
export type Render = (json: string) => string;

export type WatchLimits = {
  /** Without the client's wish, a watch ends after this long, so that load moves and leaks end. */
  readonly defaultTimeoutMs: number;
  /** A client that takes nothing for this long is cut off. */
  readonly stallMs: number;
  /** How long after a change elsewhere a bookmark tells this watcher of the new version. */
  readonly bookmarkMs: number;
};

const watchLimits: WatchLimits = {
  defaultTimeoutMs: 30 * 60_000,
  stallMs: 30_000,
  bookmarkMs: 150,
};

export class Watch {
  readonly #store: Store;
  readonly #target: Target;
  readonly #selection: Selection;
  readonly #response: ServerResponse;
  readonly #render: Render;
  readonly #limits: WatchLimits;
  readonly #bookmarks: boolean;
  readonly #timeoutMs: number;
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #resources = new DisposableStack();
  #initial: Stored[] = [];
  #initialEnd: number | undefined;
  #cursor = 0;
  #toldRevision = 0;
  #bookmarkTimer: NodeJS.Timeout | undefined;
  #stallTimer: NodeJS.Timeout | undefined;
  #blocked = false;
  #ended = false;

  /** @throws ApiError BadRequest, Expired (the version is too old), Timeout (it is yet to come) */
  constructor(options: {
    readonly store: Store;
    readonly target: Target;
    readonly query: URLSearchParams;
    readonly response: ServerResponse;
    readonly render: Render;
    readonly limits?: WatchLimits;
  }) {
    const { store, target, query } = options;
    checkWatchOptions(query);
    this.#store = store;
    this.#target = target;
    this.#response = options.response;
    this.#render = options.render;
    this.#limits = options.limits ?? watchLimits;
    this.#selection = selectionOf(target, query);
    this.#bookmarks = isTrue(query.get("allowWatchBookmarks"));
    const timeoutSeconds = wholeNumber(query, "timeoutSeconds");
    this.#timeoutMs = timeoutSeconds ? timeoutSeconds * 1000 : this.#limits.defaultTimeoutMs;
    this.#place(query);
  }

  /** Answers, and goes on until the time-out, the client's leaving, or `stop`. */
  start(): void {
    this.#response.writeHead(200, {
      "Content-Type": "application/json",
      "Transfer-Encoding": "chunked",
    });
    this.#response.flushHeaders();
    this.#response.on("drain", () => this.#resume());
    this.#response.on("close", () => this.#end());
    this.#resources.use(this.#store.onCommit(() => this.#pump()));
    const timer = setTimeout(() => this.stop(), Math.min(this.#timeoutMs, 2 ** 31 - 1));
    this.#timers.add(timer);
    this.#pump();
  }

  /** Ends the answer in good order: the client resumes with a new watch. */
  stop(): void {
    if (this.#ended) return;
    this.#end();
    this.#response.end();
  }

  /** Decides where the stream starts: with all objects of now, or after the client's version. */
  #place(query: URLSearchParams): void {
    const current = this.#store.revision;
    const asked = wholeNumber(query, "resourceVersion") ?? 0;
    const sendInitial = query.get("sendInitialEvents");
    if (asked > current) throw versionTooLarge(asked, current);
    const collection = this.#store.collection(resourceKey(this.#target.kind));
    this.#toldRevision = current;
    if (asked === 0 ? sendInitial !== "false" : isTrue(sendInitial)) {
      const all = collection.list();
      this.#initial = (this.#selection ? all.filter(this.#selection) : all).reverse();
      if (isTrue(sendInitial)) this.#initialEnd = current;
      this.#cursor = collection.window.end;
      return;
    }
    const cursor = collection.window.cursorAfter(asked === 0 ? current : asked);
    if (cursor === undefined) throw expired(`too old resource version: ${asked} (${current})`);
    this.#cursor = cursor;
    this.#toldRevision = asked === 0 ? current : asked;
  }

  /** A fault of one watch ends that one watch. */
  #pump(): void {
    try {
      this.#tellAll();
    } catch (error) {
      this.#response.destroy();
      throw error;
    }
  }

  /** Writes what is to be told for as long as the client takes it. */
  #tellAll(): void {
    const { window } = this.#store.collection(resourceKey(this.#target.kind));
    while (!this.#blocked && !this.#ended) {
      const first = this.#initial.pop();
      if (first) {
        this.#send("ADDED", first.json);
        continue;
      }
      if (this.#initialEnd !== undefined) {
        this.#sendBookmark(this.#initialEnd, { "k8s.io/initial-events-end": "true" });
        this.#initialEnd = undefined;
        continue;
      }
      const change = window.at(this.#cursor);
      if (change === undefined) break;
      if (change === "forgotten") {
        this.#sendAway(expired("the watch fell too far behind"));
        return;
      }
      this.#cursor += 1;
      this.#tell(change);
    }
    this.#scheduleBookmark();
  }

  /** A change as this watcher sees it: what leaves its selection is deleted for it. */
  #tell(change: Change): void {
    const matched = change.previous !== undefined && this.#matches(change.previous);
    const matches = !change.deleted && this.#matches(change.object);
    if (matches) this.#send(matched ? "MODIFIED" : "ADDED", change.object.json);
    else if (matched)
      this.#send("DELETED", change.deleted ? change.object.json : lastMatching(change));
    if (matches || matched) this.#toldRevision = change.revision;
  }

  #matches(object: Stored): boolean {
    return this.#selection?.(object) ?? true;
  }

  #send(type: "ADDED" | "MODIFIED" | "DELETED", json: string): void {
    const { kind, version } = this.#target;
    const versioned = withApiVersion(json, apiVersionOf(kind, version));
    this.#write(`{"type":"${type}","object":${this.#render(versioned)}}\n`);
  }

  #sendBookmark(revision: number, annotations?: Readonly<Record<string, string>>): void {
    const { kind, version } = this.#target;
    this.#toldRevision = revision;
    const object = {
      apiVersion: apiVersionOf(kind, version),
      kind: kind.kind,
      metadata: {
        resourceVersion: String(revision),
        creationTimestamp: null,
        ...(annotations ? { annotations } : {}),
      },
    };
    this.#write(`${JSON.stringify({ type: "BOOKMARK", object })}\n`);
  }

  #sendAway(error: ApiError): void {
    this.#end();
    this.#response.end(`${JSON.stringify({ type: "ERROR", object: error.toStatus() })}\n`);
  }

  #write(line: string): void {
    if (this.#response.write(line)) return;
    this.#blocked = true;
    this.#stallTimer = setTimeout(() => this.#response.destroy(), this.#limits.stallMs);
    this.#timers.add(this.#stallTimer);
  }

  #resume(): void {
    if (this.#stallTimer) clearTimeout(this.#stallTimer);
    if (this.#stallTimer) this.#timers.delete(this.#stallTimer);
    this.#blocked = false;
    this.#pump();
  }

  /** Time has moved on without an event for this watcher: tell it, so that it need never start over. */
  #scheduleBookmark(): void {
    const upToDate = this.#toldRevision >= this.#store.revision;
    if (!this.#bookmarks || upToDate || this.#bookmarkTimer || this.#ended || this.#blocked) return;
    this.#bookmarkTimer = setTimeout(() => {
      this.#timers.delete(this.#bookmarkTimer as NodeJS.Timeout);
      this.#bookmarkTimer = undefined;
      const { window } = this.#store.collection(resourceKey(this.#target.kind));
      const caughtUp = this.#initial.length === 0 && window.at(this.#cursor) === undefined;
      if (!this.#blocked && !this.#ended && caughtUp && this.#toldRevision < this.#store.revision) {
        this.#sendBookmark(this.#store.revision);
      }
    }, this.#limits.bookmarkMs);
    this.#timers.add(this.#bookmarkTimer);
  }

  #end(): void {
    this.#ended = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#resources.dispose();
  }
}

/** The object as the watcher last saw it, at the version of the change that took it away. */
function lastMatching(change: Change): string {
  const object = JSON.parse((change.previous as Stored).json) as ApiObject;
  object.metadata.resourceVersion = String(change.revision);
  return JSON.stringify(object);
}

function isTrue(text: string | null): boolean {
  return text === "true" || text === "1" || text === "";
}
