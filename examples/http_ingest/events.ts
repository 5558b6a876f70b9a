/** Events, and the table in a SQLite file that keeps them. */

import { DatabaseSync, type StatementSync } from "node:sqlite";

/** A client sends an event as a JSON object with an `id`. */
export interface Event {
  readonly id: string;
  /** The whole text. */
  readonly body: string;
}

/** Returns the event in the body of a request, or `undefined` if it isn't one. */
export function parseEvent(body: string): Event | undefined {
  try {
    const { id } = JSON.parse(body) ?? {};
    return typeof id === "string" ? { id, body } : undefined;
  } catch {
    return undefined;
  }
}

/** A table of events. An event that comes again makes no second row. */
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

  /** Adds all events in one transaction, or throws and adds none. */
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
