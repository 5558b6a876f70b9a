/**
 * One listener on each signal, however many objects wait for it: Node warns at eleven listeners, and
 * a shutdown signal is shared by thousands.
 */

/** What ends when a signal aborts. */
export interface Abortable {
  /** It must not throw. */
  error(reason: unknown): void;
}

interface Group {
  readonly members: Set<Abortable>;
  readonly listener: () => void;
}

/** Made on first use: importing makes nothing. */
let groups: WeakMap<AbortSignal, Group> | undefined;

/** Errors `member` once when `signal` aborts, at once if it has. */
export function onAbort(signal: AbortSignal | undefined, member: Abortable): void {
  if (signal?.aborted) member.error(signal.reason);
  else if (signal) ((groups ??= new WeakMap()).get(signal) ?? listen(signal)).members.add(member);
}

/** Takes it back; the listener goes with the last member. */
export function offAbort(signal: AbortSignal | undefined, member: Abortable): void {
  const group = signal && groups?.get(signal);
  if (group?.members.delete(member) && group.members.size === 0) {
    groups!.delete(signal!);
    signal!.removeEventListener("abort", group.listener);
  }
}

function listen(signal: AbortSignal): Group {
  const members = new Set<Abortable>();
  const listener = (): void => {
    // The live set: a member that leaves while another is told is not told any more.
    for (const member of members) member.error(signal.reason);
    groups!.delete(signal);
  };
  const group = { members, listener };
  groups!.set(signal, group);
  signal.addEventListener("abort", listener, { once: true });
  return group;
}
