// The durable half of the store: one SQLite file. A commit that returned is on the disk (WAL, FULL).
import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";

export type Row = {
  /** "group/plural", the group empty for core. */
  readonly resource: string;
  /** "" for what has no namespace. */
  readonly namespace: string;
  readonly name: string;
  readonly revision: number;
  readonly json: string;
};

/**
 * Rows by (resource, namespace, name), and the highest revision ever committed. Changes between `begin` and
 * `commit` are kept whole or not at all. Errors are node:sqlite's own; the store above gives them meaning.
 */
export class Database implements Disposable {
  readonly #connection: DatabaseSync;
  readonly #upsert: StatementSync;
  readonly #delete: StatementSync;
  readonly #setRevision: StatementSync;

  constructor(folder: string) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const path = join(folder, "store.db");
    this.#connection = new DatabaseSync(path);
    chmodSync(path, 0o600);
    // EXCLUSIVE: a second server on the same folder fails at once instead of forking history.
    this.#connection.exec(`
      PRAGMA locking_mode = EXCLUSIVE;
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA journal_size_limit = 16777216;
      CREATE TABLE IF NOT EXISTS object (
        resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
        revision INTEGER NOT NULL, json TEXT NOT NULL,
        PRIMARY KEY (resource, namespace, name)) STRICT, WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
      INSERT OR IGNORE INTO state VALUES ('revision', 1);
    `);
    this.#upsert = this.#connection.prepare("INSERT OR REPLACE INTO object VALUES (?, ?, ?, ?, ?)");
    this.#delete = this.#connection.prepare(
      "DELETE FROM object WHERE resource = ? AND namespace = ? AND name = ?",
    );
    this.#setRevision = this.#connection.prepare(
      "UPDATE state SET value = ? WHERE name = 'revision'",
    );
  }

  revision(): number {
    const row = this.#connection.prepare("SELECT value FROM state WHERE name = 'revision'").get();
    return Number(row?.["value"]);
  }

  *rows(): Generator<Row> {
    const all = this.#connection.prepare("SELECT * FROM object ORDER BY resource, namespace, name");
    for (const row of all.iterate()) yield row as Row;
  }

  begin(): void {
    this.#connection.exec("BEGIN IMMEDIATE");
  }

  upsert(row: Row): void {
    this.#upsert.run(row.resource, row.namespace, row.name, row.revision, row.json);
  }

  delete(row: Pick<Row, "resource" | "namespace" | "name">): void {
    this.#delete.run(row.resource, row.namespace, row.name);
  }

  /** Returns when everything since `begin` would survive a power cut. */
  commit(revision: number): void {
    this.#setRevision.run(revision);
    this.#connection.exec("COMMIT");
  }

  rollback(): void {
    if (this.#connection.isTransaction) this.#connection.exec("ROLLBACK");
  }

  [Symbol.dispose](): void {
    this.#connection.close();
  }
}
