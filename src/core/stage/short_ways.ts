import { markHandled } from "../shared/promises.ts";
import { direct, type Outlet, type PipeOptions } from "./pipe.ts";
import { type Filler, iterate, type IteratorOptions } from "./stage_iterator.ts";

/** The inside of a stream. */
type Inside<R> = Filler<R> & Outlet<R>;

/** Made on first use, so that importing makes nothing. */
let insides: WeakMap<object, Inside<never>> | undefined;
let ShortStream: typeof ReadableStream;

/**
 * Makes a readable stream that looks plain to its users. Its iterator, and its pipes to our other
 * streams, ask the source directly, past the queue. Use it for streams of many chunks.
 */
export function openShort<R>(
  source: Inside<R>,
  strategy: QueuingStrategy<R>,
): ReadableStream<R> {
  if (!insides) {
    insides = new WeakMap();
    // It has no type, because the methods that it overrides differ between hosts.
    ShortStream = class extends (ReadableStream as new () => object) {} as never;
    const own: PropertyDescriptorMap = {};
    const add = (name: PropertyKey, value: unknown): void => {
      own[name] = { value, writable: true, configurable: true };
    };
    add("constructor", ReadableStream);
    add("values", values);
    add(Symbol.asyncIterator, values);
    add("pipeTo", pipeTo);
    add("pipeThrough", pipeThrough);
    Object.defineProperties(ShortStream.prototype, own);
  }
  const stream = new ShortStream<R>(source as never, strategy);
  insides.set(stream, source);
  return stream;
}

/** Drops the entry of a stream that has ended, so that the stream no longer keeps its source. */
export function closeShort(stream: object): void {
  insides?.delete(stream);
}

function insideOf<R>(stream: ReadableStream<R>): Inside<R> | undefined {
  return insides!.get(stream);
}

function values<R>(this: ReadableStream<R>, options: IteratorOptions): AsyncIterator<R> {
  return iterate(this, insideOf(this), options);
}

function pipeTo<R>(
  this: ReadableStream<R>,
  sink: WritableStream<R>,
  options?: PipeOptions,
): Promise<void> {
  try {
    return direct(this, insideOf(this), sink, options) ??
      ReadableStream.prototype.pipeTo.call(this, sink, options);
  } catch (error) {
    return Promise.reject(error);
  }
}

function pipeThrough<R, T>(
  this: ReadableStream<R>,
  pair: ReadableWritablePair<T, R>,
  options?: PipeOptions,
): ReadableStream<T> {
  const { readable, writable } = pair;
  const piped = readable instanceof ReadableStream &&
    direct(this, insideOf(this), writable, options);
  if (!piped) {
    return ReadableStream.prototype.pipeThrough.call(
      this,
      { readable, writable },
      options,
    ) as never;
  }
  markHandled(piped);
  return readable;
}
