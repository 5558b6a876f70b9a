/**
 * Types that compilers must infer or refuse. This file never runs: compilers check it against the
 * declarations, with the types of every runtime.
 */

import {
  Aggregator,
  type AggregatorOptions,
  type Collector,
  Fanout,
  type FanoutHandler,
  type FanoutOptions,
  MapStream,
  type MapStreamOptions,
  Singleflight,
} from "@weir/streams";

/** Fails to compile unless both types are equal. */
function same<A, B>(_same: Same<A, B>): void {}
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true
  : false;

class NotFound extends Error {
  readonly code = 404;
}

interface Sum {
  readonly sum: number;
}

declare const summing: () => Collector<number, Sum>;
declare const word: "a";

/** The results of an `Aggregator`: the entries of its handler's array, without errors. */
export function results(): void {
  const strings = new Aggregator((ids: number[]) => ids.map(String), { maxItems: 2 });
  same<typeof strings, Aggregator<number, string>>(true);
  const partly = new Aggregator((ids: number[]) =>
    ids.map((id) => id > 0 ? `${id}` : id < 0 ? new NotFound() : new TypeError())
  );
  same<typeof partly, Aggregator<number, string>>(true);
  const later = new Aggregator(async (ids: number[]) =>
    await Promise.resolve(ids.map((id) => id > 0 ? id : new DOMException()))
  );
  same<typeof later, Aggregator<number, number>>(true);
  const mixed = new Aggregator((ids: number[]) =>
    ids.map((id) => id > 0 ? Promise.resolve(id) : id < 0 ? word : new Error())
  );
  same<typeof mixed, Aggregator<number, number | "a">>(true);
  // It has a name and a message, but isn't an error.
  const mails = new Aggregator((ids: number[]) => ids.map(() => ({ name: "", message: "" })));
  same<typeof mails, Aggregator<number, { name: string; message: string }>>(true);
  const none = new Aggregator((ids: number[]) => void ids);
  same<typeof none, Aggregator<number, undefined>>(true);
  const unknown = new Aggregator((ids: number[]): unknown => ids);
  same<typeof unknown, Aggregator<number>>(true);
  const given = new Aggregator<number>((ids) => ids);
  same<typeof given, Aggregator<number>>(true);
  const told: Aggregator<number, string> = new Aggregator((ids) => ids.map(String));
  const result: Promise<string> = told.submit(1);
  const perhaps: Promise<string> | undefined = told.trySubmit(1);
  told.concurrency = 0;
  const wider: Aggregator<number> = strings;
  void [result, perhaps, wider];
}

/** With a collector, the batch has the type of its `take`. */
export function collected(): void {
  const sums = new Aggregator(({ sum }) => [sum, word], { collector: summing, linger: 1 });
  same<typeof sums, Aggregator<number, number | "a", Sum>>(true);
  const given = new Aggregator<number, void, Sum>(({ sum }) => void sum, { collector: summing });
  given.tryPush(1);
}

/** A subclass. */
export class Users extends Aggregator<number, Promise<Array<string | Error>>> {
  constructor(load: (ids: number[]) => Promise<Array<string | Error>>) {
    super(load, { maxItems: 100, linger: 0 });
  }
  name(id: number): Promise<string> {
    return this.submit(id);
  }
  get size(): number {
    return this.stats.batches;
  }
}

/** Wrappers that don't know the types. */
export class Loader<K, V> {
  readonly #batches: Aggregator<K, V>;
  constructor(load: (keys: K[]) => Promise<Array<V | Error>>, options?: AggregatorOptions<K>) {
    this.#batches = new Aggregator(load, { ...options, linger: 1 });
  }
  load(key: K): Promise<V> {
    return this.#batches.submit(key);
  }
}

export function aggregate<T>(
  handler: (batch: T[]) => void,
  options: AggregatorOptions<T>,
): Aggregator<T> {
  return new Aggregator(handler, options);
}

export function aggregateKeyed<T>(
  handler: (batch: T[]) => void,
  options?: Omit<AggregatorOptions<T>, "key">,
): Aggregator<T> {
  return new Aggregator(handler, { ...options, key: (item) => item });
}

export function collectAll<T, B>(
  handler: (batch: B) => void,
  options: AggregatorOptions<T, B> & { collector: () => Collector<T, B> },
): Aggregator<T, unknown, B> {
  return new Aggregator(handler, options);
}

export function fan<T, R>(
  handler: FanoutHandler<T, R>,
  options?: Omit<FanoutOptions<T>, "onError">,
): Fanout<T, R> {
  return new Fanout(handler, { ...options, onError: (_, item) => item });
}

export function map<T, R>(
  fn: (item: T) => Promise<R>,
  options?: MapStreamOptions<T>,
): MapStream<T, R> {
  return new MapStream(fn, options);
}

export function mapAll<T, R>(items: T[], fn: (item: T) => Promise<R>): ReadableStream<R> {
  return MapStream.from(items, fn, { concurrency: 4 });
}

export function once<V>(fn: (key: string) => Promise<V>): (key: string) => Promise<V> {
  return Singleflight.wrap(fn, { key: (key) => key });
}

/** Results that are promises only for some items. */
export function sometimes(): void {
  const some = (id: number) => id > 0 ? word : Promise.resolve(id);
  const fanout = new Fanout(some, { concurrency: 2 });
  same<typeof fanout, Fanout<number, number | "a">>(true);
  const stream = new MapStream(some, { concurrency: 2 });
  same<typeof stream, MapStream<number, number | "a">>(true);
  const results = MapStream.from([1], some, { ordered: false });
  same<typeof results, ReadableStream<number | "a">>(true);
  const flight = new Singleflight<string, number | "a">();
  const value = flight.do("key", () => some(1));
  same<typeof value, Promise<number | "a">>(true);
  const wrapped = Singleflight.wrap(some, { key: (id) => id });
  const called = wrapped(1);
  same<typeof called, Promise<number | "a">>(true);
}

/** Code that compilers must refuse. */
export function refused(): void {
  const users = new Aggregator((ids: number[]) => ids.map(String));
  // @ts-expect-error: a result is a string
  const wrong: Promise<number> = users.submit(1);
  // @ts-expect-error: its items are numbers
  users.tryPush("1");
  // @ts-expect-error: this handler returns strings
  const other: Aggregator<number, number> = new Aggregator((ids) => ids.map(String));
  // @ts-expect-error: a batch is an array, where there is no collector
  new Aggregator((batch: Sum) => batch.sum);
  // @ts-expect-error: the collector takes numbers
  new Aggregator<string, unknown, Sum>(() => {}, { collector: summing });
  // @ts-expect-error: the collector gives sums
  new Aggregator((batch: string) => batch, { collector: summing });
  const fanout = new Fanout((id: number) => id > 0 ? word : Promise.resolve(id));
  // @ts-expect-error: a result may be a word
  const number: Promise<number> = fanout.submit(1);
  void [wrong, other, number];
}
