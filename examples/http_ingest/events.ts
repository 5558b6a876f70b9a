/** Events, and where they go: a table in a SQLite file. */

import { DatabaseSync, type StatementSync } from "node:sqlite";

/** What a client sends: a JSON object with an `id` of its own. */
export interface Event {
  readonly id: string;
  /** The whole of it, as it came. */
  readonly body: string;
}

/** The event in a request's body; `undefined` if it is none. */
export function parseEvent(body: string): Event | undefined {
  try {
    const { id } = JSON.parse(body) ?? {};
    return typeof id === "string" ? { id, body } : undefined;
  } catch {
    return undefined;
  }
}

/** A table of events. One that comes again is not a second row. */
export class EventTable {
  readonly #database: DatabaseSync;
  readonly #insert: StatementSync;

  constructor(path: string) {
    this.#database = new DatabaseSync(path);
    try {
      this.#database.exec("PRAGMA journal_mode = WAL; PRAGMA busy_timeout = 1000");
      this.#database.exec("CREATE TABLE IF NOT EXISTS events (id TEXT PRIMARY KEY, body TEXT)");
      this.#insert = this.#database.prepare("INSERT OR IGNORE INTO events VALUES (?, ?)");
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  /** Adds all of them in one transaction, or throws and adds none. */
  insert(events: readonly Event[]): void {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      for (const { id, body } of events) this.#insert.run(id, body);
      this.#database.exec("COMMIT");
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw error;
    }
  }

  close(): void {
    this.#database.close();
  }
}
