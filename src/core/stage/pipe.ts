import { type Inlet, inletOf } from "../shared/inlets.ts";
import { markHandled, resolved } from "../shared/promises.ts";
import { type Abortable, offAbort, onAbort } from "../shared/signals.ts";
import type { Consumer } from "./stage_iterator.ts";

/** The inside of a readable stream of ours. */
export interface Outlet<R> {
  /** Where chunks go: to the controller of the stream, or to its pipe. */
  consumer: Consumer<R>;
  /** What there is may go out at once. */
  readonly eager: boolean;
  /** A chunk is wanted. */
  request(): void;
  /** What there is goes out. */
  advance(): void;
}

/** Those of the standard, of which the types of some hosts have no name. */
export interface PipeOptions {
  readonly preventAbort?: boolean;
  readonly preventCancel?: boolean;
  readonly preventClose?: boolean;
  readonly signal?: AbortSignal;
}

/** Nobody else has the stream yet. */
function controllerOf<R>({ consumer }: Outlet<R>): ReadableStreamDefaultController<R> {
  return consumer as ReadableStreamDefaultController<R>;
}

/** Pipes by the streams, if that can be. */
export function direct<R>(
  stream: ReadableStream<R>,
  outlet: Outlet<R> | undefined,
  sink: WritableStream<R>,
  options: PipeOptions | undefined,
): Promise<void> | undefined {
  const inlet = inletOf(sink);
  if (!outlet || !inlet || inlet.ending || stream.locked || sink.locked) return;
  // What is queued is the streams'.
  if (controllerOf(outlet).desiredSize !== 0) return;
  // Not what every object may inherit.
  const given = options ?? { __proto__: null } as PipeOptions;
  if (Object(given) !== given) return;
  const { preventAbort, preventCancel, preventClose, signal } = given;
  if (signal !== undefined && !(signal instanceof AbortSignal)) return;
  const writer = sink.getWriter();
  if (writer.desiredSize !== 1) return writer.releaseLock() as undefined;
  const reader = stream.getReader() as ReadableStreamDefaultReader<R>;
  const pipe = new Pipe<R>(outlet, inlet, reader, writer, {
    preventAbort: !!preventAbort,
    preventCancel: !!preventCancel,
    preventClose: !!preventClose,
    signal: signal as never,
  });
  return pipe.run();
}

/**
 * A pipe as the standard has it, but for the way of an item: it has the lock of both sides, and ends
 * them by what the lock gives.
 */
class Pipe<R> implements Abortable {
  readonly #outlet: Outlet<R>;
  /** Of the readable stream. */
  readonly #stream: ReadableStreamDefaultController<R>;
  readonly #inlet: Inlet<R>;
  readonly #options: PipeOptions;
  readonly #reader: ReadableStreamDefaultReader<R>;
  readonly #writer: WritableStreamDefaultWriter<R>;
  // No private names in what every item passes: some engines are slow with them.
  /** What has been handed over, and is not written yet. */
  private chunk: R | undefined;
  private full = false;
  /** A write is under way, or has just failed. */
  #writing = false;
  /** Ends the waiting for a chunk, or for the end. */
  private wake: (() => void) | undefined;
  /** What ends it: what is to be done then, and what the pipe rejects with. */
  private end: { readonly act: (() => unknown) | false; readonly failure?: [unknown] } | undefined;

  constructor(
    outlet: Outlet<R>,
    inlet: Inlet<R>,
    reader: ReadableStreamDefaultReader<R>,
    writer: WritableStreamDefaultWriter<R>,
    options: PipeOptions,
  ) {
    this.#outlet = outlet;
    this.#stream = controllerOf(outlet);
    this.#inlet = inlet;
    this.#options = options;
    this.#reader = reader;
    this.#writer = writer;
  }

  /** Runs in the asynchronous context of the call: so does what it calls. */
  async run(): Promise<void> {
    const outlet = this.#outlet;
    const inlet = this.#inlet;
    const stream = this.#stream;
    // To await what is no promise would make one.
    const taken = resolved();
    outlet.consumer = {
      enqueue: (chunk) => this.enqueue(chunk!),
      close: () => stream.close(),
      error: (reason) => stream.error(reason),
    };
    onAbort(this.#options.signal, this);
    // When both have started.
    await undefined;
    this.#watch();
    for (;;) {
      if (!this.end && !this.full && !inlet.ending) {
        outlet.request();
        if (outlet.eager) outlet.advance();
        else resolved().then(outlet.advance as never);
      }
      if (!this.end && !this.full) {
        await new Promise<void>((wake) => this.wake = wake);
        // To resolve a promise twice is slow in Node.
        this.wake = undefined;
      }
      if (!this.full) break;
      const chunk = this.chunk as R;
      this.full = false;
      this.chunk = undefined;
      this.#writing = !inlet.ending;
      try {
        await (inlet.ending ? undefined : inlet.write(chunk) ?? taken);
      } catch {
        // The sink has failed, and says so itself.
        await undefined;
      }
      this.#writing = false;
      // If the sink has failed in it, that is heard first.
      if (this.end) await undefined;
    }
    outlet.consumer = stream;
    const { act, failure } = this.end!;
    try {
      if (act) await act();
      if (failure) throw failure[0];
    } finally {
      offAbort(this.#options.signal, this);
      this.#writer.releaseLock();
      this.#reader.releaseLock();
    }
  }

  /** A chunk for which it has asked. */
  private enqueue(chunk: R): void {
    this.chunk = chunk;
    this.full = true;
    this.wake?.();
  }

  /** The signal aborts. */
  error(reason: unknown): void {
    const { preventAbort, preventCancel } = this.#options;
    const writer = this.#writer;
    this.#stop(() =>
      Promise.all([
        preventAbort || writer.desiredSize === null || writer.abort(reason),
        preventCancel || this.#stream.desiredSize === null || this.#reader.cancel(reason),
      ]), [reason]);
  }

  /** Sees either side end. */
  #watch(): void {
    const reader = this.#reader;
    const writer = this.#writer;
    const { preventAbort, preventClose } = this.#options;
    const close = () => writer.desiredSize === null ? writer.closed : writer.close();
    reader.closed.then(
      () => this.#stop(!preventClose && close),
      (error) => this.#stop(!preventAbort && (() => writer.abort(error)), [error]),
    );
    writer.closed.catch(async (error) => {
      // A write in which it has failed is over a microtask later.
      if (this.#writing) await undefined;
      this.#leave(error);
    });
    if (this.#inlet.ending && writer.desiredSize !== null) {
      this.#leave(new TypeError("The sink of a pipe is closed"));
    }
  }

  /** The sink takes no more. */
  #leave(error: unknown): void {
    if (this.end) return;
    const left = this.#options.preventCancel ? undefined : this.#reader.cancel(error);
    if (left) markHandled(left);
    this.#stop(() => left, [error]);
  }

  /** The first of what ends it counts. */
  #stop(act: (() => unknown) | false, failure?: [unknown]): void {
    // Where it has let go of a side it is told so, too.
    if (this.end) return;
    this.end = { act, ...(failure && { failure }) };
    // What comes from now on is not the pipe's.
    if (!this.full) this.#outlet.consumer = this.#stream;
    this.wake?.();
  }
}
