/** The database: a table in a SQLite file, with the default settings of SQLite. */

import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { Place } from "./place.ts";

/** Options of a `PlaceTable`. */
export interface TableOptions {
  /** Use the table of an earlier run. */
  readonly resume?: boolean;
  /** The largest size of the file, in pages of SQLite. */
  readonly maxPages?: number | undefined;
}

/** A table of places. The number of the record is the key. */
export class PlaceTable {
  readonly #database: DatabaseSync;
  readonly #insert: StatementSync;
  readonly #find: StatementSync;

  /** Throws if it can't open the file, or if the table exists and it should not `resume`. */
  constructor(path: string, { resume = false, maxPages }: TableOptions = {}) {
    this.#database = new DatabaseSync(path);
    try {
      this.#database.exec("PRAGMA busy_timeout = 1000");
      if (maxPages !== undefined) this.#database.exec(`PRAGMA max_page_count = ${maxPages}`);
      this.#database.exec(
        `CREATE TABLE ${resume ? "IF NOT EXISTS " : ""}places (record INTEGER PRIMARY KEY, ` +
          "name TEXT, lat REAL, lng REAL, code TEXT, country TEXT)",
      );
      this.#insert = this.#database.prepare("INSERT INTO places VALUES (?, ?, ?, ?, ?, ?)");
      this.#find = this.#database.prepare("SELECT 1 FROM places WHERE record = ?");
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  /** Adds all places in one transaction, or throws and adds none. */
  insert(places: readonly Place[], countries: readonly string[]): void {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      places.forEach(({ record, name, lat, lng, country }, i) => {
        this.#insert.run(record, name, lat, lng, country, countries[i]!);
      });
      this.#database.exec("COMMIT");
    } catch (error) {
      this.#rollback();
      throw error;
    }
  }

  /** Whether an earlier run has written a record. */
  has(record: number): boolean {
    return this.#find.get(record) !== undefined;
  }

  /** The number of rows of the first `records` records, by SQL. */
  count(records: number): number {
    const sql = "SELECT count(*) AS rows FROM places WHERE record <= ?";
    return Number(this.#database.prepare(sql).get(records)?.["rows"]);
  }

  close(): void {
    this.#database.close();
  }

  #rollback(): void {
    try {
      this.#database.exec("ROLLBACK");
    } catch {
      // SQLite has already rolled back if the database is full.
    }
  }
}
