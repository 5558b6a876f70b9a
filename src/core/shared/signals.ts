/**
 * Sets one listener on each signal, for any number of objects that wait for it. Node warns at
 * eleven listeners, and thousands of objects may share a shutdown signal.
 */

/** An object that ends when a signal aborts. */
export interface Abortable {
  /** Must not throw. */
  error(reason: unknown): void;
}

/**
 * The controller that a sink starts with. The types of Bun, and of Node before 26, leave out the
 * signal.
 */
export type SinkController = WritableStreamDefaultController & { readonly signal: AbortSignal };

/** The members that wait for each signal. Made on first use, so that importing makes nothing. */
let groups: WeakMap<AbortSignal, Set<Abortable>> | undefined;

/** Calls `member.error` once when `signal` aborts, and at once if it has aborted already. */
export function onAbort(signal: AbortSignal | undefined, member: Abortable): void {
  if (!signal) return;
  if (signal.aborted) return member.error(signal.reason);
  let members = (groups ??= new WeakMap()).get(signal);
  if (!members) {
    // This comes first, because it may throw.
    signal.addEventListener("abort", errorAll);
    groups.set(signal, members = new Set());
  }
  members.add(member);
}

/** Undoes `onAbort`. The listener goes with the last member. */
export function offAbort(signal: AbortSignal | undefined, member: Abortable): void {
  const members = signal && groups?.get(signal);
  if (members?.delete(member) && members.size === 0) {
    groups!.delete(signal!);
    signal!.removeEventListener("abort", errorAll);
  }
}

function errorAll(this: AbortSignal): void {
  // This iterates the live set: a member that leaves while another is called is not called any
  // more.
  for (const member of groups!.get(this)!) member.error(this.reason);
  groups!.delete(this);
  this.removeEventListener("abort", errorAll);
}
