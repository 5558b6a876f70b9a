/**
 * One listener on each signal, however many objects follow it: Node warns at eleven listeners, and
 * a shutdown signal is shared by thousands.
 */

/** What wants to hear of an abort. */
export interface Follower {
  /** It must not throw. */
  fail(reason: unknown): void;
}

interface Group {
  readonly members: Set<Follower>;
  readonly listener: () => void;
}

const groups = /* @__PURE__ */ new WeakMap<AbortSignal, Group>();

/** Tells `follower` once when `signal` aborts, at once where it has. */
export function follow(signal: AbortSignal | undefined, follower: Follower): void {
  if (signal?.aborted) follower.fail(signal.reason);
  else if (signal) (groups.get(signal) ?? listen(signal)).members.add(follower);
}

/** Takes it back; the listener goes with the last follower. */
export function unfollow(signal: AbortSignal | undefined, follower: Follower): void {
  const group = signal && groups.get(signal);
  if (group?.members.delete(follower) && group.members.size === 0) {
    groups.delete(signal!);
    signal!.removeEventListener("abort", group.listener);
  }
}

function listen(signal: AbortSignal): Group {
  const members = new Set<Follower>();
  const listener = (): void => {
    // The live set: a follower that goes while another is told is not told any more.
    for (const member of members) member.fail(signal.reason);
    groups.delete(signal);
  };
  const group = { members, listener };
  groups.set(signal, group);
  signal.addEventListener("abort", listener, { once: true });
  return group;
}
