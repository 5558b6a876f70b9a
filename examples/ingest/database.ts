/** The database: a table in a SQLite file, with the default settings of SQLite. */

import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { Place } from "./place.ts";

/** A new table of places. */
export class PlaceTable {
  readonly #database: DatabaseSync;
  readonly #insert: StatementSync;

  /** Throws if the file cannot be opened, or has such a table already. */
  constructor(path: string, maxPages?: number) {
    this.#database = new DatabaseSync(path);
    try {
      this.#database.exec("PRAGMA busy_timeout = 1000");
      if (maxPages !== undefined) this.#database.exec(`PRAGMA max_page_count = ${maxPages}`);
      this.#database.exec(
        "CREATE TABLE places (name TEXT, lat REAL, lng REAL, code TEXT, country TEXT)",
      );
      this.#insert = this.#database.prepare("INSERT INTO places VALUES (?, ?, ?, ?, ?)");
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  /** Adds all places in one transaction, or throws and adds none. */
  insert(places: readonly Place[], countries: readonly string[]): void {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      places.forEach(({ name, lat, lng, country }, i) => {
        this.#insert.run(name, lat, lng, country, countries[i]!);
      });
      this.#database.exec("COMMIT");
    } catch (error) {
      this.#rollback();
      throw error;
    }
  }

  /** The number of rows in the table, by SQL. */
  count(): number {
    const row = this.#database.prepare("SELECT count(*) AS rows FROM places").get();
    return Number(row?.["rows"]);
  }

  close(): void {
    this.#database.close();
  }

  #rollback(): void {
    try {
      this.#database.exec("ROLLBACK");
    } catch {
      // A full database has rolled back by itself.
    }
  }
}
