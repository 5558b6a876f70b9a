/**
 * The need: an API allows 10 calls a second, and says 429 to who calls more often. All that calls it
 * keeps to that together, waits as long as it is told, and tries again what may get better.
 */

// In a project of yours: from "@weir/streams".
import { backoff, Fanout, type FanoutOptions, RateLimit } from "../../mod.ts";

/** An answer that is none. */
export class ApiError extends Error {
  readonly status: number;

  constructor({ status, statusText }: Response) {
    super(`${status} ${statusText}`);
    this.status = status;
  }
}

/** The longest time that a `Retry-After` is believed, in ms. A longer one is asked for again. */
const LONGEST = 3_600_000;

/** What a `Retry-After` says, in seconds or as a date, in milliseconds from now. */
function retryAfter({ headers }: Response): number {
  const value = headers.get("retry-after") ?? "";
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return ms > 0 ? Math.min(ms, LONGEST) : 0;
}

/**
 * A sink of calls. Those that have the same `rate` share it. 429 and 5xx are tried again later; a 429
 * with `Retry-After` pauses every sink of that `rate`. What else fails, fails at once.
 */
export function apiSink<T>(
  call: (item: T, init: { readonly signal: AbortSignal }) => Promise<Response>,
  rate: RateLimit,
  options?: Omit<FanoutOptions<T>, "rate">,
): Fanout<T, Response> {
  const later = backoff();
  return new Fanout(async (item: T, context) => {
    const response = await call(item, context);
    if (response.ok) return response;
    if (response.status === 429) rate.pause(retryAfter(response));
    await response.body?.cancel().catch(() => {}); // or the connection is kept
    throw new ApiError(response);
  }, {
    concurrency: 16,
    retry: (error, attempt) =>
      error instanceof ApiError && (error.status === 429 || error.status >= 500)
        ? later(error, attempt)
        : undefined,
    ...options,
    rate,
  });
}

if (import.meta.main) {
  let left = 3;
  const api = (path: string) => {
    console.log(`${Math.round(performance.now())} ms: ${path}`);
    const headers = { "retry-after": "1" };
    return Promise.resolve(
      left-- > 0 ? new Response(path) : new Response(null, { status: 429, headers }),
    );
  };
  setTimeout(() => left = Infinity, 500);
  const rate = new RateLimit({ limit: 10, interval: 1000 });
  const users = apiSink((id: number) => api(`/users/${id}`), rate);
  const orders = apiSink((id: number) => api(`/orders/${id}`), rate);
  await Promise.all([1, 2, 3, 4].flatMap((id) => [users.submit(id), orders.submit(id)]));
}
