/** Counts the listeners that are on an `AbortSignal` now. */

/** How many listeners a signal has. */
export interface Listeners {
  /** Those on it now. */
  readonly live: number;
  /** Those added since the start. */
  readonly added: number;
}

/** Counts the listeners that are added to `signal` from now on. */
export function countListeners(signal: AbortSignal): Listeners {
  /** By listener and identity, each with the function that notes its end. */
  const live = new Map<unknown, Map<string, () => void>>();
  let added = 0;
  const add = signal.addEventListener.bind(signal) as Add;
  const remove = signal.removeEventListener.bind(signal) as Remove;

  signal.addEventListener = (type: string, listener: Listener, options?: Options) => {
    add(type, listener, options);
    const id = identity(type, options);
    const ids = live.get(listener) ?? new Map();
    if (listener === null || ids.has(id)) return;
    const gone = () => forget(listener, id);
    live.set(listener, ids.set(id, gone));
    added++;
    if (typeof options !== "object") return;
    if (options.once) add(type, gone, { once: true });
    options.signal?.addEventListener("abort", gone, { once: true });
  };
  signal.removeEventListener = (type: string, listener: Listener, options?: Options) => {
    remove(type, listener, options);
    forget(listener, identity(type, options));
  };

  function forget(listener: unknown, id: string): void {
    const ids = live.get(listener);
    const gone = ids?.get(id);
    if (gone === undefined) return;
    // Otherwise a long-lived signal would gather them.
    remove("abort", gone);
    ids!.delete(id);
    if (ids!.size === 0) live.delete(listener);
  }

  return {
    get live() {
      let count = 0;
      for (const ids of live.values()) count += ids.size;
      return count;
    },
    get added() {
      return added;
    },
  };
}

type Listener = EventListenerOrEventListenerObject | null;
type Options = boolean | AddEventListenerOptions;
type Add = (type: string, listener: Listener, options?: Options) => void;
type Remove = Add;

/** The standard identifies a listener by type, callback and `capture`. */
function identity(type: string, options?: Options): string {
  const capture = typeof options === "object" ? options.capture : options;
  return `${type} ${Boolean(capture)}`;
}
