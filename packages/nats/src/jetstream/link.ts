/** A connection as the sources on it see it: what it tells of its state, and the acknowledgements that may be lost. */

import { errors, type NatsConnection, type PermissionViolationError } from "@nats-io/nats-core";
import { AckLedger } from "./ack_ledger.ts";
import { Publisher } from "./publisher.ts";

/** Who is told what becomes of a connection. */
export interface LinkListener {
  /** It is lost; the client tries to get another. */
  onDown(): void;
  /** There is another. What was sent meanwhile is lost. */
  onUp(): void;
  /** The server refuses what was sent to a subject. */
  onRefused(subject: string, error: Error): void;
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

  /** The one of all sinks; `prefix` is that of the subjects of its answers. */
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
    // First: the server hears what is done before it is asked for more.
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
