/**
 * The need: you call another system, and sometimes it fails for a moment: a 503, a lost connection, an
 * answer that takes too long. You want to try again later, and keep the other calls going meanwhile.
 *
 * The idea: let the sink retry. `timeout` bounds each attempt. `retry` says in how many milliseconds the
 * next attempt starts, or `undefined` to give up. While an item waits for its next attempt, its slot is
 * free and other items run. Each attempt has its own `signal`, which aborts at the timeout. Give it to
 * `fetch`, so that the old request ends before the next one starts.
 *
 * Don't put the retry inside the handler, as in
 * `new Fanout((hook) => retry(() => send(hook)), { timeout: 10_000 })`. Two things go wrong:
 *
 * - The loop holds its slot while it waits, so a few bad items stop all good ones.
 * - At the timeout the sink reports a failure and starts the next item, but the loop goes on sending.
 *   With `concurrency: 1`, several sends then run beside each other.
 *
 * The limits:
 *
 * - The other side may get an item twice: a request that timed out may have arrived. Send an id with each
 *   item, and have the other side ignore an id that it has.
 * - An item that waits for its next attempt waits in memory. A crash loses it.
 * - With `key`, the key stays taken while an item waits, so that order holds. One bad item then delays
 *   the items of its key.
 *
 * Next: [dead_letters.ts](dead_letters.ts) keeps the items that failed for good. For an API that limits
 * your calls, see [api_client.ts](api_client.ts).
 */

// In your project: from "@weir/streams".
import { backoff, type BackoffOptions, Fanout, type FanoutOptions } from "../../mod.ts";

/** An error that another attempt can't change, such as a 404. */
export class PermanentError extends Error {
  override readonly name = "PermanentError";
}

/**
 * A `retry` for a `Fanout` or an `Aggregator`. It waits longer before each attempt, and gives up at once
 * when it gets a `PermanentError`.
 */
export function unlessPermanent(
  options?: BackoffOptions,
): (error: unknown, attempt: number) => number | undefined {
  const later = backoff(options);
  return (error, attempt) => error instanceof PermanentError ? undefined : later(error, attempt);
}

/** A message for another system. */
export interface Hook {
  /** The same for each attempt: the other side can ignore an id that it has. */
  readonly id: string;
  readonly url: string;
  readonly body: string;
}

/** What sends a request, such as `fetch`. */
export type Send = (
  url: string,
  init: {
    readonly method: string;
    readonly headers: Record<string, string>;
    readonly body: string;
    readonly signal: AbortSignal;
  },
) => Promise<Response>;

/** Makes a sink that posts each item to its URL, and retries. `onError` gets the items that failed for good. */
export function hooks(
  options: FanoutOptions<Hook> & Required<Pick<FanoutOptions<Hook>, "onError">>,
  send: Send = fetch,
): Fanout<Hook, void> {
  return new Fanout(async ({ id, url, body }: Hook, { signal }): Promise<void> => {
    const headers = { "content-type": "application/json", "idempotency-key": id };
    const response = await send(url, { method: "POST", headers, body, signal });
    await response.body?.cancel(); // frees the connection
    if (response.ok) return;
    const { status } = response;
    const message = `${url} answered ${status}`;
    const temporary = status >= 500 || status === 408 || status === 429;
    throw temporary ? new Error(message) : new PermanentError(message);
  }, { concurrency: 8, timeout: 10_000, retry: unlessPermanent(), ...options });
}

if (import.meta.main) {
  let busy = 2;
  const shop: Send = (url) => {
    const status = url.endsWith("/lost") ? 404 : url.endsWith("/slow") && busy-- > 0 ? 503 : 204;
    console.log(`${Math.round(performance.now())} ms: POST ${url}: ${status}`);
    return Promise.resolve(new Response(null, { status }));
  };
  const sink = hooks({
    concurrency: 1,
    onError: (error, { id }) => console.log(`hook ${id} failed for good: ${error}`),
  }, shop);
  await sink.consume(["/slow", "/lost", "/a", "/b"].map((path, n) => {
    return { id: `${n}`, url: `https://shop.test${path}`, body: "{}" };
  }));
  console.log(sink.stats);
  await sink.close();
}
