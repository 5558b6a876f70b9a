/**
 * The need: a page sends its log to a server in batches, and loses nothing when the user leaves.
 *
 * The idea: while the page is visible, an `Aggregator` sends batches by `fetch`, and a batch that fails goes
 * again. When the page is hidden or left, the shipper aborts the sink. `onDiscard` gets every line that the
 * server has not confirmed, and `navigator.sendBeacon` sends them. On a phone `hidden` may be the last event
 * of a page, so the shipper doesn't wait for `pagehide`. A page that comes back, also from the back/forward
 * cache, opens a new sink with its next line.
 *
 * The limits:
 *
 * - The batch that was on its way arrives twice. Each line has an `id`, so the server can drop the second one.
 * - `log` returns `false` when 32 KiB wait, because the server doesn't answer.
 * - A browser sends a beacon once. If the network fails then, the lines are lost.
 *
 * Next: [weir in a page](../../docs/browser.md) says what a page may lose, and what the server gets.
 */

// In your project: from "@weir/streams".
import { Aggregator, backoff } from "../../mod.ts";

/**
 * A browser allows 64 KiB of beacons and `keepalive` requests in flight, all together. Chromium still
 * counts an aborted request until the turn ends. So a page that is left needs room for the lines that wait,
 * and twice for the batch that runs: 48 KiB. The rest is for lines that the page logs while it is left.
 */
const MAX_BATCH = 8 * 1024;
const MAX_WAITING = 32 * 1024;

/** The part of a `window` that `LogShipper` uses. `visibilitychange` bubbles up to it from the document. */
export interface Page {
  addEventListener(type: string, listener: (event: { readonly type: string }) => void): void;
  removeEventListener(type: string, listener: (event: { readonly type: string }) => void): void;
  readonly document: { readonly visibilityState: string };
  readonly navigator: { sendBeacon(url: string, body: string): boolean };
  fetch(url: string, init: RequestInit): Promise<Response>;
}

/** Options of `LogShipper`. */
export interface LogShipperOptions {
  /**
   * Gets the lines that the shipper gives up, and the reason: a `Refusal`, or the error of the last
   * attempt. If it throws or rejects, that is an unhandled rejection, and the shipper goes on.
   */
  readonly onLost: (lines: string[], reason: unknown) => unknown;
  /** How long a line waits for others, in milliseconds. By default 1000. */
  readonly linger?: number;
  /** The most lines in a batch. By default 100. */
  readonly maxItems?: number;
  /** By default the global `window`. */
  readonly page?: Page;
}

/** The server or the browser refuses a batch, and would refuse it again. */
export class Refusal extends Error {}

/**
 * Sends the events of a page by POST. Each event is a line of JSON: `{"id":"…-0","event":…}`. The number in
 * the `id` goes up by one, so the server sees a lost event as a gap.
 */
export class LogShipper {
  readonly #url: string;
  readonly #options: LogShipperOptions;
  readonly #page: Page;
  /** Random, so that two pages don't make the same ids. */
  readonly #name = crypto.getRandomValues(new Uint32Array(3)).join("-");
  #count = 0;
  /** Whether the page is hidden or left. */
  #hidden: boolean;
  /** There is a new one after each change of `#hidden`. */
  #sink: Aggregator<string> | undefined;
  #end = new AbortController();

  constructor(url: string, options: LogShipperOptions) {
    this.#url = url;
    this.#options = options;
    const { page = globalThis as unknown as Page } = options;
    this.#page = page;
    this.#hidden = page.document.visibilityState === "hidden";
    for (const type of ["visibilitychange", "pagehide", "pageshow"]) {
      page.addEventListener(type, this.#change);
    }
  }

  /**
   * Accepts an event, or returns false if 32 KiB wait already, because the server doesn't answer. Throws a
   * `RangeError` if the line is longer than 8 KiB, and the errors of `JSON.stringify`.
   */
  log(event: unknown): boolean {
    this.#sink ??= this.#open();
    return this.#sink.tryPush(
      JSON.stringify({ id: `${this.#name}-${this.#count++}`, event }),
    );
  }

  /** Removes the listeners, and sends the lines that wait by beacons. Later events go by beacons, too. */
  stop(): void {
    for (const type of ["visibilitychange", "pagehide", "pageshow"]) {
      this.#page.removeEventListener(type, this.#change);
    }
    this.#turn(true);
  }

  #change = ({ type }: { readonly type: string }): void => {
    // During `pagehide` the document is still visible.
    const hidden = type === "pagehide" || this.#page.document.visibilityState === "hidden";
    if (hidden !== this.#hidden) this.#turn(hidden);
  };

  #turn(hidden: boolean): void {
    this.#hidden = hidden;
    const end = this.#end;
    this.#end = new AbortController();
    this.#sink = undefined;
    end.abort();
  }

  #open(): Aggregator<string> {
    const { linger = 1000, maxItems = 100 } = this.#options;
    const again = backoff({ attempts: 20 });
    const options = {
      maxItems,
      capacity: Infinity, // by weight
      maxWeight: MAX_BATCH,
      capacityWeight: MAX_WAITING,
      weigh,
      oversize: "error",
      signal: this.#end.signal,
      onDiscard: (lines: string[]) => this.#beacon(lines),
    } as const;
    // A hidden page may end without another event, so it sends lines at the end of their turn.
    if (this.#hidden) {
      return new Aggregator((lines: string[]) => this.#beacon(lines), { ...options, linger: 0 });
    }
    return new Aggregator(
      (lines: string[], { signal }) => orAborted(this.#post(lines, signal), signal),
      {
        ...options,
        linger,
        timeout: 30_000,
        retry: (error, attempt) => error instanceof Refusal ? undefined : again(error, attempt),
        onError: (error, lines) => void this.#lose(lines, error),
      },
    );
  }

  async #post(lines: string[], signal: AbortSignal): Promise<void> {
    const init = { method: "POST", body: lines.join("\n"), keepalive: true, signal };
    const response = await this.#page.fetch(this.#url, init);
    await response.body?.cancel();
    const { ok, status } = response;
    if (ok) return;
    throw status < 500 && status !== 429 ? new Refusal(`${status}`) : new Error(`${status}`);
  }

  /** Sends pieces, because the browser may have room for some of them only. */
  #beacon(lines: string[]): void {
    for (const piece of pieces(lines)) {
      try {
        // It throws for a wrong URL, and some browsers let the user switch it off.
        if (this.#page.navigator.sendBeacon(this.#url, piece.join("\n"))) continue;
        void this.#lose(piece, new Refusal("sendBeacon returned false"));
      } catch (error) {
        void this.#lose(piece, error);
      }
    }
  }

  /** Async, so that a throw of `onLost` stops neither the sink nor the next pieces. */
  async #lose(lines: string[], reason: unknown): Promise<void> {
    await this.#options.onLost(lines, reason);
  }
}

/** Rejects in the turn of the abort. In Firefox a `fetch` rejects later, when the page is gone already. */
function orAborted<R>(work: Promise<R>, signal: AbortSignal): Promise<R> {
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
    work.then(resolve, reject);
  });
}

const encoder = new TextEncoder();

/** The number of bytes of a line, with its line break. */
function weigh(line: string): number {
  return encoder.encode(line).byteLength + 1;
}

function pieces(lines: string[]): string[][] {
  const pieces: string[][] = [];
  let room = 0;
  for (const line of lines) {
    const weight = weigh(line);
    if (weight > room) {
      pieces.push([]);
      room = MAX_BATCH;
    }
    pieces.at(-1)!.push(line);
    room -= weight;
  }
  return pieces;
}

if (import.meta.main) {
  let show: (event: { readonly type: string }) => void;
  const page: Page = {
    addEventListener: (_type, listener) => show = listener,
    removeEventListener() {},
    document: { visibilityState: "visible" },
    navigator: { sendBeacon: (_url, body) => (console.log(`by beacon: ${body}`), true) },
    fetch: (_url, { body }) => (console.log(`by fetch: ${body}`), new Promise(() => {})),
  };
  const shipper = new LogShipper("/log", { onLost: console.error, maxItems: 2, page });
  for (const n of [1, 2, 3]) shipper.log({ n });
  show!(new Event("pagehide"));
}
