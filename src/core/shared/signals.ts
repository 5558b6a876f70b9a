/**
 * One listener on each signal, however many objects wait for it: Node warns at eleven listeners, and
 * a shutdown signal is shared by thousands.
 */

/** What ends when a signal aborts. */
export interface Abortable {
  /** It must not throw. */
  error(reason: unknown): void;
}

/** What a sink is started with. The types of Bun, and of Node before 26, leave out the signal. */
export type SinkController = WritableStreamDefaultController & { readonly signal: AbortSignal };

/** Who waits for each signal. Made on first use: importing makes nothing. */
let groups: WeakMap<AbortSignal, Set<Abortable>> | undefined;

/** Errors `member` once when `signal` aborts, at once if it has. */
export function onAbort(signal: AbortSignal | undefined, member: Abortable): void {
  if (!signal) return;
  if (signal.aborted) return member.error(signal.reason);
  let members = (groups ??= new WeakMap()).get(signal);
  if (!members) {
    // First, since it may throw.
    signal.addEventListener("abort", errorAll);
    groups.set(signal, members = new Set());
  }
  members.add(member);
}

/** Takes it back; the listener goes with the last member. */
export function offAbort(signal: AbortSignal | undefined, member: Abortable): void {
  const members = signal && groups?.get(signal);
  if (members?.delete(member) && members.size === 0) {
    groups!.delete(signal!);
    signal!.removeEventListener("abort", errorAll);
  }
}

function errorAll(this: AbortSignal): void {
  // The live set: a member that leaves while another is told is not told any more.
  for (const member of groups!.get(this)!) member.error(this.reason);
  groups!.delete(this);
  this.removeEventListener("abort", errorAll);
}
