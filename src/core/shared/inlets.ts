/** The way into a writable stream of ours, past the stream: for a pipe that is ours, too. */

/** What the stream writes to. */
export interface Inlet<T> {
  /** Nothing more is taken, or nothing new. */
  readonly ending: boolean;
  /** Takes the item now, or returns when it will have been taken, or cannot be. */
  write(item: T): Promise<void> | undefined;
}

/** Made on first use: importing makes nothing. */
let inlets: WeakMap<object, Inlet<never>> | undefined;

/** Nobody but the stream keeps it. */
export function setInlet(stream: object, inlet: Inlet<never>): void {
  (inlets ??= new WeakMap()).set(stream, inlet);
}

/** None of what is not ours, or has ended. */
export function inletOf<T>(stream: WritableStream<T>): Inlet<T> | undefined {
  return inlets?.get(stream);
}

/** What has ended is not kept by its stream. */
export function deleteInlet(stream: object): void {
  inlets?.delete(stream);
}
