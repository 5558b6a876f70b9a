/** {@linkcode AckLedger}: the acknowledgements that the server may not have yet. */

import type { NatsConnection } from "@nats-io/nats-core";

/** The longest time before a round trip checks an acknowledgement, in milliseconds. */
const PAUSE = 100;

/**
 * Keeps the acknowledgements of a connection until a later round trip shows that the server has
 * them. The client drops everything that you send while it is disconnected, and sends no
 * acknowledgement twice.
 */
export class AckLedger {
  readonly #connection: NatsConnection;
  /** Subjects and payloads, alternating: first those of the running round trip, then later ones. */
  #asked: string[] = [];
  #kept: string[] = [];
  /** Whether a round trip is running. */
  #asking = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Whether the connection is closed for good. */
  closed = false;

  constructor(connection: NatsConnection) {
    this.#connection = connection;
  }

  /** Adds an acknowledgement that was just sent. */
  keep(reply: string, payload: string): void {
    if (this.closed) return;
    this.#kept.push(reply, payload);
    if (!this.#asking) this.#timer ??= setTimeout(this.#ask, PAUSE);
  }

  /** Sends all again, over a new connection. */
  resend(): void {
    const all = this.#asked.concat(this.#kept);
    this.#asked = [];
    this.#kept = all;
    try {
      for (let place = 0; place < all.length; place += 2) {
        this.#connection.publish(all[place]!, all[place + 1]!);
      }
    } catch {
      // The connection has closed meanwhile, or is about to close.
    }
    this.#later();
  }

  /** Resolves when the server has everything that was sent, or after `ms` milliseconds. */
  async sent(limit: number): Promise<void> {
    if (this.closed) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => timer = setTimeout(resolve, limit));
    await Promise.race([this.#connection.flush().catch(() => {}), late]);
    clearTimeout(timer);
  }

  /** Ends the ledger: there will be no other connection. */
  clear(): void {
    this.closed = true;
    this.#asked = [];
    this.#kept = [];
    clearTimeout(this.#timer);
  }

  #later(): void {
    if (this.#asking || this.closed || this.#kept.length === 0) return;
    this.#timer ??= setTimeout(this.#ask, PAUSE);
  }

  readonly #ask = (): void => {
    this.#timer = undefined;
    const asked = this.#asked = this.#asked.concat(this.#kept);
    this.#kept = [];
    this.#asking = true;
    this.#connection.flush().then(() => {
      // Only if it was not sent again meanwhile: then it belongs to another round trip.
      if (this.#asked === asked) this.#asked = [];
    }, () => {
      // There is no connection. The next one gets all of it again.
    }).then(() => {
      this.#asking = false;
      this.#later();
    });
  };
}
