/**
 * The need: an API allows 10 calls a second, and answers 429 when you make more. Several parts of your
 * program call it, and together they must stay below the limit.
 *
 * The idea: one `RateLimit` for all sinks that call the API. It counts the calls of all of them. When the API
 * answers 429 with a `Retry-After` header, the limit pauses all sinks for that time. 429 and 5xx are tried
 * again later by `retry`, and the slot is free until then. Other errors fail at once.
 *
 * The limits:
 *
 * - The limit holds for one process. Divide it if several processes call the API.
 * - A call that is tried again counts again.
 * - The client believes a `Retry-After` up to an hour. After that it asks again.
 *
 * Next: [retry.ts](retry.ts) explains retries. [dead_letters.ts](dead_letters.ts) keeps the calls that failed
 * for good.
 */

// In your project: from "@weir/streams".
import { backoff, Fanout, type FanoutOptions, RateLimit } from "../../mod.ts";

/** The API refused a call. */
export class ApiError extends Error {
  readonly status: number;

  constructor({ status, statusText }: Response) {
    super(`${status} ${statusText}`);
    this.status = status;
  }
}

/** The longest `Retry-After` that the client believes, in milliseconds. */
const LONGEST = 3_600_000;

/** Reads `Retry-After`, which is a number of seconds or a date. Returns milliseconds from now. */
function retryAfter({ headers }: Response): number {
  const value = headers.get("retry-after") ?? "";
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return ms > 0 ? Math.min(ms, LONGEST) : 0;
}

/**
 * Makes a sink of calls. Sinks with the same `rate` share it. The sink retries 429 and 5xx, and a 429 with
 * `Retry-After` pauses every sink of that `rate`. Other errors fail at once.
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
    await response.body?.cancel().catch(() => {}); // frees the connection
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
