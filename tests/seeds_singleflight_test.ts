/**
 * The program that x/sync's `singleflight` is for: one access token for many callers. The articles about it are
 * in `singleflight_articles_test.ts`.
 */

import { assertEquals } from "@std/assert";
import { type FlightCache, Singleflight } from "../mod.ts";
import type { Clock } from "./support/clock.ts";
import { timed } from "./support/timed.ts";

/** x/sync: an access token. */
interface Token {
  readonly value: string;
  readonly expiresAt: number;
}

/** Keeps tokens until they expire. */
class TokenCache implements FlightCache<string, Token> {
  readonly #tokens = new Map<string, Token>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  has(key: string): boolean {
    return (this.#tokens.get(key)?.expiresAt ?? 0) > this.#clock.now;
  }

  get(key: string): Token | undefined {
    return this.has(key) ? this.#tokens.get(key) : undefined;
  }

  set(key: string, token: Token): void {
    this.#tokens.set(key, token);
  }

  delete(key: string): boolean {
    return this.#tokens.delete(key);
  }
}

/** A client of an API that needs a token, which an authorization server issues in 50 ms. */
class Client {
  /** How often the server was asked. */
  issued = 0;
  /** The server is down. */
  down = false;
  readonly tokens: Singleflight<string, Token>;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.tokens = new Singleflight({ cache: new TokenCache(clock) });
  }

  async token(): Promise<string> {
    const { value } = await this.tokens.do("api", async () => {
      const number = ++this.issued;
      await new Promise<void>((resolve) => void setTimeout(resolve, 50));
      if (this.down) throw new Error("503");
      return { value: `token ${number}`, expiresAt: this.#clock.now + 3_600_000 };
    });
    return value;
  }

  /** Many callers at once: the tokens that they got, and how many of each. */
  async burst(callers: number): Promise<Record<string, number>> {
    const outcomes: Record<string, number> = {};
    const count = (outcome: string) => void (outcomes[outcome] = (outcomes[outcome] ?? 0) + 1);
    const calls = Array.from(
      { length: callers },
      () => this.token().then(count, (error: Error) => count(error.message)),
    );
    await this.#clock.tick(50);
    await Promise.all(calls);
    return outcomes;
  }
}

timed("seed x/sync: many callers cost one token until it expires [6.1] [6.2]", async (clock) => {
  const client = new Client(clock);
  assertEquals(await client.burst(500), { "token 1": 500 });
  await clock.tick(3_599_000);
  assertEquals(await client.burst(500), { "token 1": 500 });
  await clock.tick(1000); // it has expired
  assertEquals(await client.burst(500), { "token 2": 500 });
  assertEquals(client.issued, 2);
});

timed(
  "seed x/sync: all callers hear of a failed request, and the next one asks again [6.2]",
  async (clock) => {
    const client = new Client(clock);
    client.down = true;
    assertEquals(await client.burst(500), { "503": 500 });
    client.down = false;
    assertEquals(await client.burst(500), { "token 2": 500 });
    assertEquals([client.issued, client.tokens.size], [2, 0]);
  },
);

timed("seed x/sync: an API that answers 401 has one new token fetched [6.4]", async (clock) => {
  const client = new Client(clock);
  await client.burst(1);
  client.tokens.forget("api");
  assertEquals(await client.burst(500), { "token 2": 500 });
});
