import { type Inlet, inletOf } from "../shared/inlets.ts";
import { markHandled, resolved } from "../shared/promises.ts";
import { type Abortable, offAbort, onAbort } from "../shared/signals.ts";
import type { Consumer } from "./stage_iterator.ts";

/** The inside of one of our readable streams. */
export interface Outlet<R> {
  /** Where chunks go: the controller of the stream, or its pipe. */
  consumer: Consumer<R>;
  /** Whether ready chunks may go out at once. */
  readonly eager: boolean;
  /** Asks for a chunk. */
  request(): void;
  /** Hands over the chunks that are ready. */
  advance(): void;
}

/** The pipe options of the standard. The types of some hosts have no name for them. */
export interface PipeOptions {
  readonly preventAbort?: boolean;
  readonly preventCancel?: boolean;
  readonly preventClose?: boolean;
  readonly signal?: AbortSignal;
}

/** The controller of a stream that no pipe or iterator uses yet. */
function controllerOf<R>({ consumer }: Outlet<R>): ReadableStreamDefaultController<R> {
  return consumer as ReadableStreamDefaultController<R>;
}

/**
 * Pipes past the two streams, directly from one inside to the other. Returns `undefined` if that is
 * not possible.
 */
export function direct<R>(
  stream: ReadableStream<R>,
  outlet: Outlet<R> | undefined,
  sink: WritableStream<R>,
  options: PipeOptions | undefined,
): Promise<void> | undefined {
  const inlet = inletOf(sink);
  if (!outlet || !inlet || inlet.ending || stream.locked || sink.locked) return;
  // Chunks that are in the queue must go through the streams.
  if (controllerOf(outlet).desiredSize !== 0) return;
  // The prototype is null, so that it has no inherited options.
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
 * A pipe as in the standard, except for the path of an item. It holds the lock of both sides, and
 * ends them by the reader and the writer.
 */
class Pipe<R> implements Abortable {
  readonly #outlet: Outlet<R>;
  /** The controller of the readable stream. */
  readonly #stream: ReadableStreamDefaultController<R>;
  readonly #inlet: Inlet<R>;
  readonly #options: PipeOptions;
  readonly #reader: ReadableStreamDefaultReader<R>;
  readonly #writer: WritableStreamDefaultWriter<R>;
  // No private names in what every item passes: some engines are slow with them.
  /** The chunk that was handed over and is not written yet. */
  private chunk: R | undefined;
  private full = false;
  /** Whether a write is under way, or has just failed. */
  #writing = false;
  /** Ends the wait for a chunk, or for the end. */
  private wake: (() => void) | undefined;
  /** How the pipe ends: what to do then, and the error that the pipe rejects with. */
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

  /** Runs in the asynchronous context of the call, and calls user code in that context. */
  async run(): Promise<void> {
    const outlet = this.#outlet;
    const inlet = this.#inlet;
    const stream = this.#stream;
    // Awaiting a value that is not a promise would make a promise.
    const taken = resolved();
    outlet.consumer = {
      enqueue: (chunk) => this.enqueue(chunk!),
      close: () => stream.close(),
      error: (reason) => stream.error(reason),
    };
    onAbort(this.#options.signal, this);
    // By then both sides have started.
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
        // Resolving a promise twice is slow in Node.
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
        // The sink has failed, and reports that itself.
        await undefined;
      }
      this.#writing = false;
      // If the sink has failed during the write, its error must arrive first.
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

  /** Takes a chunk that the pipe has asked for. */
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

  /** Listens for the end of both sides. */
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
      // If the sink has failed during a write, that write ends one microtask later.
      if (this.#writing) await undefined;
      this.#leave(error);
    });
    if (this.#inlet.ending && writer.desiredSize !== null) {
      this.#leave(new TypeError("The sink of a pipe is closed"));
    }
  }

  /** The sink takes no more items. */
  #leave(error: unknown): void {
    if (this.end) return;
    const left = this.#options.preventCancel ? undefined : this.#reader.cancel(error);
    if (left) markHandled(left);
    this.#stop(() => left, [error]);
  }

  /** Stops the pipe. The first cause counts. */
  #stop(act: (() => unknown) | false, failure?: [unknown]): void {
    // After the pipe has released a side, that side still reports its end here.
    if (this.end) return;
    this.end = { act, ...(failure && { failure }) };
    // Chunks that come from now on do not belong to the pipe.
    if (!this.full) this.#outlet.consumer = this.#stream;
    this.wake?.();
  }
}
