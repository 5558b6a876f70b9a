/**
 * The need: a page shows live values of many sources, such as prices, positions or the progress of jobs.
 * The sources send more often than the page can draw. A slow page must not fill the memory of the server,
 * and nothing may go on when a page leaves.
 *
 * The idea: `feed` keeps only the latest value of each source, and `throttle` sends what has changed, at
 * most once in an interval. A page gets one update with all changes: `{"USD":1.08,"CHF":0.94}`. While the
 * page is busy, new values replace old ones. So a page costs one value for each source, and one update
 * that is on its way.
 *
 * - `received` turns a `WebSocket` or an `EventSource` into a source.
 * - `eventStream` sends updates as a response of server-sent events (SSE).
 * - `sendAll` sends updates by a `WebSocket`. A socket has no backpressure, so it waits while more than
 *   `maxBuffered` bytes of the socket are not sent yet.
 *
 * When the page leaves, the server cancels the response, or the socket closes. Both cancel the feed, which
 * stops its timer and cancels every source. `received` then closes its connection.
 *
 * The limits:
 *
 * - Only the latest value counts. For events that must all arrive, such as chat messages, use a
 *   `BatchStream` with a `linger`.
 * - A source that fails goes to `onError`, and the others go on. Connect again in the source if you want that.
 * - Each page has its own feed, and reads its own sources. If many pages show the same values, connect to
 *   the other side once, and give each page its own stream of it.
 * - A client that vanishes, without an end of its connection, is noticed when the connection times out.
 *
 * Next: [load_shedding.ts](load_shedding.ts) for the requests that are not live.
 */

// In your project: from "@weir/streams".
import { MapStream, throttle } from "../../mod.ts";

/** How a feed sends. */
export interface FeedOptions {
  /** The shortest time between two updates, in milliseconds. By default 100. */
  readonly interval?: number;
  /** Gets the error of a source, and its name. The feed goes on without it. */
  readonly onError: (error: unknown, source: string) => void;
}

/** The latest values of the sources that have changed, by name. */
export type Update<T> = Record<string, T>;

/** Merges sources into one stream of updates. A source is read as soon as the stream is made. */
export function feed<T>(
  sources: Readonly<Record<string, ReadableStream<T>>>,
  { interval = 100, onError }: FeedOptions,
): ReadableStream<Update<T>> {
  const end = new AbortController();
  const changed = new Map<string, T>();
  let page!: ReadableStreamDefaultController<Update<T>>;
  const sendNow = () => {
    const update = Object.fromEntries(changed);
    changed.clear(); // before `enqueue`, which may call `pull`
    page.enqueue(update);
  };
  const send = throttle(sendNow, { interval, edge: "both" });
  /** Sends if there is something to send, and the page asks for it. */
  const offer = () => void (changed.size > 0 && page.desiredSize! > 0 && send());

  async function read(name: string, source: ReadableStream<T>): Promise<void> {
    try {
      const reader = source.getReader();
      const leave = () => void reader.cancel(end.signal.reason).catch(() => {});
      end.signal.addEventListener("abort", leave);
      for (let next = await reader.read(); !next.done; next = await reader.read()) {
        changed.set(name, next.value);
        offer();
      }
    } catch (error) {
      if (!end.signal.aborted) onError(error, name);
    }
  }
  async function readAll(): Promise<void> {
    try {
      await Promise.all(Object.entries(sources).map(([name, source]) => read(name, source)));
      if (end.signal.aborted) return;
      send.cancel();
      if (changed.size > 0) sendNow();
      page.close();
    } catch (error) { // of `onError`
      send.cancel();
      end.abort(error);
      page.error(error);
    }
  }
  return new ReadableStream<Update<T>>({
    start(controller) {
      page = controller;
      void readAll();
    },
    pull: offer,
    cancel(reason) {
      send.cancel();
      end.abort(reason); // cancels the sources
    },
  }, { highWaterMark: 1 });
}

/** Of a `WebSocket` and an `EventSource`, what this file uses. */
export interface Connection {
  readonly readyState: number;
  addEventListener(
    type: string,
    listener: (event: { readonly type: string }) => void,
    options?: { readonly signal?: AbortSignal },
  ): void;
  close(): void;
}

/** The messages of a connection. Closes the connection when the stream is cancelled. */
export function received(connection: Connection): ReadableStream<string> {
  const over = new AbortController();
  const { signal } = over;
  return new ReadableStream<string>({
    start(controller) {
      const end = (close: () => void) => {
        over.abort(); // removes the listeners
        close();
      };
      connection.addEventListener("message", (event) => {
        controller.enqueue((event as unknown as { readonly data: string }).data);
      }, { signal });
      connection.addEventListener("close", () => end(() => controller.close()), { signal });
      connection.addEventListener("error", () => {
        // An `EventSource` that is 0, CONNECTING, connects again.
        if (connection.readyState >= 2) end(() => controller.error(new Error("connection lost")));
      }, { signal });
    },
    cancel() {
      over.abort();
      connection.close();
    },
  });
}

const encoder = new TextEncoder();

/** A response of server-sent events. */
export function eventStream(updates: ReadableStream<unknown>): Response {
  const events = MapStream.from(updates, (update) => {
    return encoder.encode(`data: ${JSON.stringify(update)}\n\n`);
  });
  return new Response(events, {
    headers: { "content-type": "text/event-stream", "cache-control": "no-store" },
  });
}

/** A `WebSocket` that is open, as far as `sendAll` uses it. */
export interface Socket extends Connection {
  readonly bufferedAmount: number;
  send(text: string): void;
}

/**
 * Sends updates, each as JSON, until the stream ends or the socket closes. Resolves then, and rejects with
 * the error of the stream. `poll` is how often it looks whether a slow socket has sent its buffer, in
 * milliseconds.
 */
export async function sendAll(
  socket: Socket,
  updates: ReadableStream<unknown>,
  { maxBuffered = 64 * 1024, poll = 50 }: { maxBuffered?: number; poll?: number } = {},
): Promise<void> {
  const reader = updates.getReader();
  const over = new AbortController();
  const leave = () => void reader.cancel().catch(() => {}); // `read` then says done
  socket.addEventListener("close", leave, { signal: over.signal });
  const isOpen = () => socket.readyState === 1;
  try {
    while (isOpen()) {
      if (socket.bufferedAmount > maxBuffered) {
        await new Promise((resolve) => setTimeout(resolve, poll));
        continue;
      }
      const { done, value } = await reader.read();
      if (done) break;
      if (isOpen()) socket.send(JSON.stringify(value));
    }
  } finally {
    over.abort();
    await reader.cancel().catch(() => {});
    socket.close();
  }
}

if (import.meta.main) {
  /** Counts up, a thousand times a second. */
  const ticker = (name: string) => {
    let timer: ReturnType<typeof setInterval>;
    let n = 0;
    return new ReadableStream<number>({
      start: (controller) => void (timer = setInterval(() => controller.enqueue(++n), 1)),
      cancel: () => (clearInterval(timer), console.log(`${name} is closed`)),
    });
  };
  const updates = feed({ ada: ticker("ada"), lin: ticker("lin") }, { onError: console.error });
  const page = eventStream(updates).body!.pipeThrough(new TextDecoderStream()).getReader();
  for (let n = 0; n < 5; n++) console.log((await page.read()).value!.trim());
  await page.cancel(); // the page leaves, and the program ends: nothing is left that runs
}
