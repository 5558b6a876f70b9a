/** {@linkcode AckLedger}: what the server may not have heard yet. */

import type { NatsConnection } from "@nats-io/nats-core";

/** How long an acknowledgement waits at most before the server is asked whether it has come, in milliseconds. */
const PAUSE = 100;

/**
 * The acknowledgements of a connection, until a later round trip shows that the server has them. The client
 * drops what is sent while it is disconnected, and sends no acknowledgement twice.
 */
export class AckLedger {
  readonly #connection: NatsConnection;
  /** Subjects and payloads in turn: first those that a round trip asks for, then those since. */
  #asked: string[] = [];
  #kept: string[] = [];
  /** Whether a round trip is on its way. */
  #asking = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** There is nobody to send to, and never will be. */
  closed = false;

  constructor(connection: NatsConnection) {
    this.#connection = connection;
  }

  /** One was sent just now. */
  keep(reply: string, payload: string): void {
    if (this.closed) return;
    this.#kept.push(reply, payload);
    if (!this.#asking) this.#timer ??= setTimeout(this.#ask, PAUSE);
  }

  /** The connection is another: sends all again. */
  resend(): void {
    const all = this.#asked.concat(this.#kept);
    this.#asked = [];
    this.#kept = all;
    try {
      for (let place = 0; place < all.length; place += 2) {
        this.#connection.publish(all[place]!, all[place + 1]!);
      }
    } catch {
      // It is closed meanwhile, or about to.
    }
    this.#later();
  }

  /** Resolves when the server has all that was sent, or after so many milliseconds. */
  async sent(limit: number): Promise<void> {
    if (this.closed) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => timer = setTimeout(resolve, limit));
    await Promise.race([this.#connection.flush().catch(() => {}), late]);
    clearTimeout(timer);
  }

  /** There will be no other connection. */
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
      // Not where it was sent again meanwhile: that is another round trip's.
      if (this.#asked === asked) this.#asked = [];
    }, () => {
      // There is no connection: the next has all of it sent again.
    }).then(() => {
      this.#asking = false;
      this.#later();
    });
  };
}
