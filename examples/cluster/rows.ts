/** The rows that processes send, and the SQLite table that they fill together. */

import { DatabaseSync, type StatementSync } from "node:sqlite";

/** A place, as it is published. */
export interface Row {
  /** Its number in the input. A row that comes again has the same number. */
  readonly id: number;
  readonly name: string;
  /** Its latitude, in 100,000ths of a degree, so that sums are exact. */
  readonly latitude: number;
}

/** How many rows there are, and the sum of their latitudes. */
export interface Total {
  readonly rows: number;
  readonly sum: number;
}

/** The table. Each process opens it. */
export class RowTable {
  readonly #database: DatabaseSync;
  readonly #insert: StatementSync;

  constructor(path: string) {
    this.#database = new DatabaseSync(path);
    // One process writes at a time, and the others wait for it. Readers don't wait.
    this.#database.exec("PRAGMA busy_timeout = 10000");
    this.#database.exec("PRAGMA journal_mode = WAL");
    this.#database.exec("PRAGMA synchronous = NORMAL");
    this.#database.exec(
      "CREATE TABLE IF NOT EXISTS places (id INTEGER PRIMARY KEY, name TEXT, latitude INTEGER)",
    );
    this.#insert = this.#database.prepare("INSERT OR IGNORE INTO places VALUES (?, ?, ?)");
  }

  /** Adds all rows in one transaction, and returns how many are new. An existing row stays as it is. */
  insert(rows: readonly Row[]): number {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      let added = 0;
      for (const { id, name, latitude } of rows) {
        added += Number(this.#insert.run(id, name, latitude).changes);
      }
      this.#database.exec("COMMIT");
      return added;
    } catch (error) {
      this.#database.exec("ROLLBACK");
      throw error;
    }
  }

  /** The total, by SQL. */
  total(): Total {
    const sql = "SELECT count(*) AS rows, coalesce(sum(latitude), 0) AS sum FROM places";
    const { rows, sum } = this.#database.prepare(sql).get() as Record<string, unknown>;
    return { rows: Number(rows), sum: Number(sum) };
  }

  close(): void {
    this.#database.close();
  }
}
