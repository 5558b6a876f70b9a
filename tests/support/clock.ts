/**
 * A clock that the test controls. It replaces the global timers, `performance.now` and `Date.now`;
 * `AbortSignal.timeout` stays real.
 */

import { macrotask } from "./gate.ts";

/** The controls of the fake clock. */
export interface Clock {
  /** Live timers. */
  readonly pending: number;
  /** Milliseconds since the clock was installed. */
  readonly now: number;
  /**
   * Lets `ms` pass: due timers fire in order. Between two of them all microtasks and one real
   * macrotask run, and `seen` is called. `tick` rejects with an error of a timer.
   */
  tick(ms: number, seen?: () => void): Promise<void>;
  /** Lets `ms` pass with a blocked event loop: no timer fires before the next `tick`. */
  block(ms: number): void;
  /** Sets the wall clock: `Date.now` jumps by `ms`, but no time passes. */
  jumpWall(ms: number): void;
}

interface Timer {
  due: number;
  readonly fire: () => void;
  readonly every?: number;
}

const LONGEST = 2 ** 31 - 1;
const real = { clearTimeout: globalThis.clearTimeout, clearInterval: globalThis.clearInterval };
let installed = false;

/**
 * Runs `body` under a fake clock, and puts the real one back. With `timersOnly` time itself stays
 * real, as under `mock.timers` of Node and `FakeTime` of `@std/testing`.
 */
export async function withClock<R>(
  body: (clock: Clock) => R | Promise<R>,
  timersOnly = false,
): Promise<R> {
  if (installed) throw new Error("a fake clock is in place already");
  installed = true;
  const timers = new Map<number, Timer>();
  // An integer, so that differences are exact.
  const origin = Math.trunc(performance.now());
  const wallOrigin = Date.now();
  // Far from the ids of real timers, which a test may still have.
  let lastId = 2 ** 40;
  let now = 0;
  let jumped = 0;

  const add = (callback: TimerHandler, delay: unknown, args: unknown[], repeat: boolean) => {
    const fire = () => (callback as (...args: unknown[]) => void)(...args);
    const wait = milliseconds(delay);
    timers.set(++lastId, { due: now + wait, fire, ...(repeat && { every: Math.max(wait, 1) }) });
    return lastId;
  };
  const clear = (id: unknown, otherwise: (id?: number) => void) => {
    if (!timers.delete(Number(id))) otherwise(id as number);
  };
  // The oldest of the timers that are due first: a map keeps the order of creation.
  const next = (until: number): number | undefined => {
    let first: number | undefined;
    for (const [id, { due }] of timers) {
      if (due <= until && (first === undefined || due < timers.get(first)!.due)) first = id;
    }
    return first;
  };

  const clock: Clock = {
    get pending() {
      return timers.size;
    },
    get now() {
      return now;
    },
    async tick(ms, seen) {
      const until = now + ms;
      await macrotask();
      for (let id = next(until); id !== undefined; id = next(until)) {
        const timer = timers.get(id)!;
        now = Math.max(now, timer.due);
        timers.delete(id);
        if (timer.every !== undefined) timers.set(id, { ...timer, due: now + timer.every });
        timer.fire();
        await macrotask();
        seen?.();
      }
      now = until;
    },
    block(ms) {
      now += ms;
    },
    jumpWall(ms) {
      jumped += ms;
    },
  };

  const restore = [
    replace(
      globalThis,
      "setTimeout",
      (callback: TimerHandler, ms?: number, ...args: unknown[]) => add(callback, ms, args, false),
    ),
    replace(
      globalThis,
      "setInterval",
      (callback: TimerHandler, ms?: number, ...args: unknown[]) => add(callback, ms, args, true),
    ),
    replace(globalThis, "clearTimeout", (id?: unknown) => clear(id, real.clearTimeout)),
    replace(globalThis, "clearInterval", (id?: unknown) => clear(id, real.clearInterval)),
  ];
  if (!timersOnly) {
    restore.push(
      replace(performance, "now", () => origin + now),
      replace(Date, "now", () => wallOrigin + now + jumped),
    );
  }
  try {
    return await body(clock);
  } finally {
    for (const undo of restore) undo();
    installed = false;
  }
}

type TimerHandler = (...args: never[]) => void;

/** As platforms treat a delay: a value beyond a signed 32-bit number fires at once. */
function milliseconds(delay: unknown): number {
  const ms = Math.trunc(Number(delay ?? 0));
  return ms >= 0 && ms <= LONGEST ? ms : 0;
}

function replace(owner: object, name: string, value: unknown): () => void {
  const own = Object.getOwnPropertyDescriptor(owner, name);
  // The globals of the edge VM are writable, but not configurable.
  const flags = own?.configurable === false ? {} : { configurable: true, writable: true };
  Object.defineProperty(owner, name, { ...flags, value });
  return () => {
    if (own) Object.defineProperty(owner, name, own);
    else delete (owner as Record<string, unknown>)[name];
  };
}
