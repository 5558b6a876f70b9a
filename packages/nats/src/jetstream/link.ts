/** A connection as the sources on it see it: what it tells of its state, and the acknowledgements that may be lost. */

import type { NatsConnection } from "@nats-io/nats-core";
import { AckLedger } from "./ack_ledger.ts";

/** Who is told what becomes of a connection. */
export interface LinkListener {
  /** It is lost; the client tries to get another. */
  onDown(): void;
  /** There is another. What was sent meanwhile is lost. */
  onUp(): void;
  /** It is closed for good. */
  onClosed(cause: unknown): void;
}

const links = new WeakMap<NatsConnection, Link>();

/** One for each connection, however many sources read from it. */
export class Link {
  readonly connection: NatsConnection;
  readonly ledger: AckLedger;
  /** False while the client is known to be without a connection. */
  up = true;
  readonly #listeners = new Set<LinkListener>();

  private constructor(connection: NatsConnection) {
    this.connection = connection;
    this.ledger = new AckLedger(connection);
    this.#watch();
  }

  static of(connection: NatsConnection): Link {
    let link = links.get(connection);
    if (!link) links.set(connection, link = new Link(connection));
    return link;
  }

  add(listener: LinkListener): void {
    this.#listeners.add(listener);
  }

  remove(listener: LinkListener): void {
    this.#listeners.delete(listener);
  }

  #watch(): void {
    const { connection } = this;
    void (async () => {
      for await (const { type } of connection.status()) {
        if (type === "disconnect") this.#lost();
        else if (type === "reconnect") this.#found();
      }
    })();
    connection.closed().then((cause) => this.#closed(cause));
  }

  #lost(): void {
    this.up = false;
    for (const listener of [...this.#listeners]) listener.onDown();
  }

  #found(): void {
    this.up = true;
    // First: the server hears what is done before it is asked for more.
    this.ledger.resend();
    for (const listener of [...this.#listeners]) listener.onUp();
  }

  #closed(cause: unknown): void {
    this.up = false;
    this.ledger.clear();
    for (const listener of [...this.#listeners]) listener.onClosed(cause);
    this.#listeners.clear();
  }
}
