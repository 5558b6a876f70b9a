import { Batcher, type Collector, makeCollector, startLinger } from "./batcher.ts";
import { BATCHING } from "./item_collector.ts";
import { check, FUNCTION, readOptions } from "./options.ts";
import { Passage } from "./passage.ts";

/** What `stats` shows of a batching stream: every accepted item is in exactly one of the next three. */
export interface BatchStats {
  /** Items that were written and taken. */
  readonly accepted: number;
  /** Items held in the open batch. */
  readonly waiting: number;
  /** Items handed to the consumer. */
  readonly done: number;
  /** Items given up by a cancel, an abort or an error. */
  readonly discarded: number;
  /** Batches handed to the consumer. */
  readonly batches: number;
}

/** Hands batches to a consumer that asks for them, and holds one at the most. */
export class Outlet<T, B> extends Passage<T, B> {
  readonly #batcher: Batcher<T, B>;
  #done = 0;
  #discarded = 0;
  #batches = 0;
  /** The collector is asked for its batch: what it does to this stream meanwhile comes after. */
  #taking = false;

  constructor(collector: Collector<T, B>, linger: number) {
    super();
    this.#batcher = new Batcher(collector, startLinger(linger), () => this.step());
  }

  get stats(): BatchStats {
    const waiting = this.#batcher.held;
    const [done, discarded, batches] = [this.#done, this.#discarded, this.#batches];
    return { accepted: waiting + done + discarded, waiting, done, discarded, batches };
  }

  /** What is held is due now. */
  flush(): void {
    if (this.#batcher.held === 0) return;
    this.#batcher.expire();
    this.step();
  }

  override close(): undefined {
    this.#batcher.expire();
    super.close();
  }

  protected override get full(): boolean {
    return this.#batcher.full && !this.#batcher.empty;
  }

  protected override take(item: T): boolean {
    if (!this.#batcher.fits(item)) {
      // The collector is user code, and may have cancelled the stream.
      if (this.errored) return false;
      this.#batcher.expire();
      if (!this.demand) return false;
      this.#handOver();
    }
    if (this.errored) return false;
    this.put(item);
    return true;
  }

  protected override put(item: T): void {
    this.#batcher.add(item);
    // Cancelled by the collector: the item is turned away, and was not accepted.
    if (this.errored) this.#batcher.reset();
    else if (this.#batcher.full) {
      this.#batcher.expire();
      this.advance();
    }
  }

  protected override advance(): void {
    if (this.#taking) return;
    if (this.#batcher.held > 0) {
      if (this.demand && this.#batcher.due) this.#handOver();
    } else if (this.closing) this.finish();
  }

  protected override release(): void {
    this.#discarded += this.#batcher.end();
  }

  #handOver(): void {
    // In this order: the collector may cancel the stream when it is asked, and then nothing is held.
    const { empty, held } = this.#batcher;
    if (empty) {
      // The collector has swallowed everything: there is no batch to hand over.
      this.#done += this.#batcher.reset();
    } else {
      this.#taking = true;
      const batch = this.#batcher.take();
      this.#taking = false;
      if (this.errored) return;
      this.#done += held;
      this.#batches++;
      this.emit(batch);
    }
    if (this.closing) this.finish();
    else this.admit();
  }
}

/** What an {@linkcode Outlet} is told by its options, as it is given. */
interface Given<T, B> {
  collector: () => Collector<T, B>;
  linger?: number | undefined;
  signal?: AbortSignal | undefined;
}

const OPTIONS = { collector: FUNCTION, ...BATCHING };

/** Checks the options and makes what they ask for. */
export function openOutlet<T, B>(
  options: Given<T, B>,
): { outlet: Outlet<T, B>; signal: AbortSignal | undefined } {
  const owner = "CollectStream";
  const { collector, linger = Infinity, signal } = readOptions(owner, options, OPTIONS);
  const made = makeCollector(owner, check(owner, "collector", collector!, FUNCTION));
  return { outlet: new Outlet(made, linger), signal };
}
