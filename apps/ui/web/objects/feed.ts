// Rows of a table of objects, kept up to date by the server.
import { openLineStream } from "../api/line-stream.ts";
import type { Line, ObjectRow } from "../../src/shared/stream.ts";
import { Store } from "../state/store.ts";

export type ObjectsState = {
  /** Changes with every change of the rows. */
  readonly version: number;
  readonly isSynced: boolean;
  readonly error: string;
};

export class ObjectsFeed {
  readonly rows = new Map<string, ObjectRow>();
  readonly state = new Store<ObjectsState>({ version: 0, isSynced: false, error: "" });
  readonly #kind: string;
  /** Rows that a new connection has not told of yet. */
  #unconfirmed = new Set<string>();

  constructor(kind: string) {
    this.#kind = kind;
  }

  start(): () => void {
    return openLineStream({
      name: "objects",
      query: () => new URLSearchParams({ kind: this.#kind }),
      onConnect: () => {
        this.#unconfirmed = new Set(this.rows.keys());
      },
      onLines: (lines) => this.#take(lines),
      onRefused: (error) => this.#change({ error }),
    });
  }

  #take(lines: readonly Line[]): void {
    let changes: Partial<ObjectsState> = {};
    for (const line of lines) {
      if (line.kind !== "objects") continue;
      for (const row of line.upsert ?? []) {
        this.rows.set(row.key, row);
        this.#unconfirmed.delete(row.key);
      }
      for (const key of line.remove ?? []) this.rows.delete(key);
      if (line.synced) {
        for (const key of this.#unconfirmed) this.rows.delete(key);
        this.#unconfirmed.clear();
        changes = { ...changes, isSynced: true };
      }
      if (line.error !== undefined) changes = { ...changes, error: line.error };
    }
    this.#change(changes);
  }

  #change(changes: Partial<ObjectsState>): void {
    const before = this.state.get();
    this.state.set({ ...before, ...changes, version: before.version + 1 });
  }
}
