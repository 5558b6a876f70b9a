/** A connection with its state, and the acknowledgements that may be lost with it. */

import { errors, type NatsConnection, type PermissionViolationError } from "@nats-io/nats-core";
import { AckLedger } from "./ack_ledger.ts";
import { Publisher } from "./publisher.ts";

/** A listener for the state of a connection. */
export interface LinkListener {
  /** The connection is lost. The client tries to reconnect. */
  onDown(): void;
  /** The client has reconnected. Everything that was sent meanwhile is lost. */
  onUp(): void;
  /** The server refuses messages to a subject. */
  onRefused(subject: string, error: Error): void;
  /** The connection is closed for good. */
  onClosed(cause: unknown): void;
}

const links = new WeakMap<NatsConnection, Link>();

/** One link per connection, which all its sources share. */
export class Link {
  readonly connection: NatsConnection;
  readonly ledger: AckLedger;
  /** False while the client has no connection, as far as is known. */
  up = true;
  #publisher: Publisher | undefined;
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

  /** The publisher of all sinks; `prefix` is that of the answers' subjects. */
  publisher(prefix: string | undefined): Publisher {
    return this.#publisher ??= new Publisher(this.connection, prefix, this.up);
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
      for await (const status of connection.status()) {
        if (status.type === "disconnect") this.#lost();
        else if (status.type === "reconnect") this.#found();
        else if (status.type === "error") this.#refused(status.error);
      }
    })();
    connection.closed().then((cause) => this.#closed(cause));
  }

  #lost(): void {
    this.up = false;
    this.#publisher?.lost();
    for (const listener of [...this.#listeners]) listener.onDown();
  }

  #found(): void {
    this.up = true;
    // First, so that the server gets the acknowledgements before the next request.
    this.ledger.resend();
    this.#publisher?.found();
    for (const listener of [...this.#listeners]) listener.onUp();
  }

  #refused(error: Error): void {
    const { operation, subject } = error as Partial<PermissionViolationError>;
    if (operation !== "publish") return;
    this.#publisher?.refused(subject!, error);
    for (const listener of [...this.#listeners]) listener.onRefused(subject!, error);
  }

  #closed(cause: unknown): void {
    this.up = false;
    this.ledger.clear();
    this.#publisher?.end(new errors.ClosedConnectionError());
    for (const listener of [...this.#listeners]) listener.onClosed(cause);
    this.#listeners.clear();
  }
}
