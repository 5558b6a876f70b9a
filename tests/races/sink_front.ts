/** The front of a sink: how it gets items, and how it is closed. */

import type { Sink, Source } from "../../mod.ts";
import { HandSource, type SourceKind } from "./hand_source.ts";
import type { Item, SinkSetup } from "./sink_steps.ts";

/** Starts a write or a `consume`, or gives the item to the current source. */
type Written =
  | { readonly kind: "write"; readonly call: () => Promise<void> }
  | {
    readonly kind: "consume";
    readonly call: () => Promise<void>;
    readonly source: HandSource<Item>;
  }
  | { readonly kind: "fed" };

/** One `consume` after the other. */
const KINDS: readonly SourceKind[] = ["iterator", "stream", "pages"];

/** The other side of the sink. */
export class SinkFront {
  readonly locked: boolean;
  readonly piped: Promise<void> | undefined;
  /** The item that comes now. There is none when the stream writes, in the order of its writes. */
  offering: Item | undefined;
  readonly #kind: SinkSetup["front"];
  readonly #sink: Sink<Item>;
  readonly #written: Item[] = [];
  readonly #onEnd: (given: ReadonlySet<Item>) => void;
  #writer: WritableStreamDefaultWriter<Item> | undefined;
  #source: HandSource<Item> | undefined;
  #caller: AbortController | undefined;
  #sources = 0;
  #closed = false;

  /** `onEnd` is called when a consumed source ends. */
  constructor(
    kind: SinkSetup["front"],
    sink: Sink<Item>,
    onEnd: (given: ReadonlySet<Item>) => void,
  ) {
    this.#kind = kind;
    this.#onEnd = onEnd;
    this.#sink = sink;
    this.locked = kind === "writer" || kind === "pipe";
    if (kind === "writer") {
      this.#writer = sink.getWriter();
      this.#writer.closed.catch(() => {});
      this.#writer.ready.catch(() => {});
    } else if (kind === "pipe") {
      this.#source = new HandSource("stream");
      this.piped = (this.#source.source as ReadableStream<Item>).pipeTo(sink);
    }
  }

  /** The items that were written and have not reached the sink. */
  get coming(): number {
    return this.#source?.cancelled || this.#source?.left ? 0 : this.#written.length;
  }

  /** The item that reaches the sink now. */
  enter(): Item | undefined {
    const item = this.offering ?? this.#written.shift();
    this.offering = undefined;
    return item;
  }

  /** Returns nothing if there is no writer. */
  write(item: Item, leaves = false): Written | undefined {
    const writer = this.#writer;
    if (writer) {
      // An item written after a close never reaches the sink.
      if (!this.#closed) this.#written.push(item);
      return { kind: "write", call: async () => await writer.write(item) };
    }
    if (this.#kind !== "pipe" && this.#kind !== "consume") return;
    const begins = this.#kind === "consume" && this.#begin();
    const source = this.#source!;
    if (source.open) {
      this.#written.push(item);
      source.feed(item);
    }
    if (!begins) return { kind: "fed" };
    const caller = this.#caller = leaves ? new AbortController() : undefined;
    const signal = caller && { signal: caller.signal };
    const call = () =>
      source.kind === "pages"
        ? this.#sink.consume(source.source as Source<Item[]>, { ...signal, flatten: true })
        : this.#sink.consume(source.source, signal);
    return { kind: "consume", call, source };
  }

  /** One source at a time, so that the items have a known source. */
  #begin(): boolean {
    if (this.#source?.open || this.coming > 0) return false;
    this.#written.length = 0;
    const source: HandSource<Item> = new HandSource(
      KINDS[this.#sources++ % KINDS.length]!,
      { ended: () => this.#onEnd(source.given) },
    );
    this.#source = source;
    return true;
  }

  end(): void {
    this.#source?.end();
  }

  break(error: unknown): void {
    // A pipe would abort the sink after it has written all its items.
    if (this.#kind === "consume") this.#source?.fail(error);
  }

  /**
   * Stops the `consume`. `taken` gets the items that the source has given, before the sink reacts.
   */
  stop(reason: unknown, taken: (given: ReadonlySet<Item>) => void): void {
    const source = this.#source;
    if (!this.#caller || !source || source.ended || source.cancelled || source.left) return;
    source.left = { reason };
    taken(source.given);
    this.#onEnd(source.given);
    this.#caller.abort(reason);
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#kind !== "pipe") return await (this.#writer ?? this.#sink).close();
    this.#source!.end();
    await this.piped;
  }

  async abort(reason: unknown): Promise<void> {
    await (this.#writer ?? this.#sink).abort(reason);
  }
}
