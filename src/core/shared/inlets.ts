/** The direct way into one of our writable streams, past the stream, for one of our pipes. */

/** Where the stream writes to. */
export interface Inlet<T> {
  /** Whether it takes no more items, or no new ones. */
  readonly ending: boolean;
  /**
   * Takes the item now, or returns a promise that settles when it has taken it or cannot take it.
   */
  write(item: T): Promise<void> | undefined;
}

/** Made on first use, so that importing makes nothing. */
let inlets: WeakMap<object, Inlet<never>> | undefined;

/** Registers the inlet of a stream. Only the stream keeps it in memory. */
export function setInlet(stream: object, inlet: Inlet<never>): void {
  (inlets ??= new WeakMap()).set(stream, inlet);
}

/** The inlet of a stream; `undefined` if the stream is not ours, or has ended. */
export function inletOf<T>(stream: WritableStream<T>): Inlet<T> | undefined {
  return inlets?.get(stream);
}

/** Drops the inlet of a stream that has ended, so that the stream no longer keeps it. */
export function deleteInlet(stream: object): void {
  inlets?.delete(stream);
}
