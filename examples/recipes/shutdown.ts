/**
 * The need: a program that is told to stop takes nothing more in, finishes what it has while there is
 * time, and says what it has not done.
 *
 * A single sink needs no `drain`: abort the `signal` of the `pipeTo`, wait for the pipe, and
 * `sink.close({ timeout })`. But a pipe that waits for room keeps its lock until there is some, and several
 * sinks share one time limit: that is what `drain` is for.
 */

// In a project of yours: from "@weir/streams".
import { Aggregator, Fanout, type Sink, type SinkStats } from "../../mod.ts";

/** What a program has to end. */
export interface Parts {
  /** Aborted first. Its signal is that of all that brings items, such as `consume` and `pipeTo`. */
  readonly intake: AbortController;
  /** Pipes into the sinks, with `preventClose` and `preventAbort`. */
  readonly pipes: Iterable<Promise<unknown>>;
  /**
   * The sinks, each before those that its handler gives items to. Each is closed when the one before it
   * is: a `linger` has an open batch handed over sooner.
   */
  readonly sinks: Iterable<Pick<Sink<unknown>, "stats" | "close" | "closed" | "idle">>;
  /** Aborted when the time is over. Its signal is that of each sink: a `close` cannot end what is locked. */
  readonly end: AbortController;
}

/**
 * Drains for `timeout` ms at most, and then aborts: handlers that heed it have `grace` ms to end.
 * Resolves with how many items were not done, of which `onDiscard` and `onError` of the sinks have told,
 * unless their handlers run on.
 */
export async function drain(
  { intake, pipes, sinks, end }: Parts,
  timeout: number,
  grace = 1000,
): Promise<number> {
  const all = [...sinks];
  const before = sum(all, ({ failed, discarded }) => failed + discarded);
  const close = async () => {
    // A pipe lets go of its sink when what it has read is accepted.
    await Promise.allSettled(pipes);
    for (const sink of all) {
      await sink.close().catch(() => {}); // its items are told of
      await sink.closed.catch(() => {}); // a pipe may be closing it
    }
  };
  intake.abort();
  if (!await within(timeout, close())) {
    end.abort(new DOMException(`Not done within ${timeout} ms`, "TimeoutError"));
  }
  await within(grace, Promise.all(all.map((sink) => sink.idle())));
  return sum(all, ({ accepted, done }) => accepted - done) - before;
}

function sum(
  sinks: readonly { readonly stats: SinkStats }[],
  count: (stats: SinkStats) => number,
): number {
  return sinks.reduce((sum, { stats }) => sum + count(stats), 0);
}

/** Whether the work is over in so many milliseconds. */
function within(ms: number, work: Promise<unknown>): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<false>((resolve) => timer = setTimeout(resolve, ms, false));
  return Promise.race([work.then(() => true), late]).finally(() => clearTimeout(timer));
}

if (import.meta.main) {
  const { default: process } = await import("node:process");
  const [intake, end] = [new AbortController(), new AbortController()];
  const report = (undone: unknown, reason: unknown) =>
    console.error("not done:", undone, `${reason}`);
  const options = {
    signal: end.signal,
    onDiscard: report,
    onError: (reason: unknown, undone: unknown) => report(undone, reason),
  };
  const rows = new Aggregator<number>((batch) => console.log("written:", batch), {
    ...options,
    linger: 10,
  });
  const jobs = new Fanout(async (n: number) => {
    await new Promise((resolve) => setTimeout(resolve, n));
    await rows.push(n);
  }, { ...options, concurrency: 2 });
  const source = ReadableStream.from([10, 20, 30, 10_000, 40, 50, 60, 70]);
  const piped = source.pipeTo(jobs, {
    signal: intake.signal,
    preventClose: true,
    preventAbort: true,
  }).catch(() => {});

  const stop = async () => {
    const undone = await drain({ intake, pipes: [piped], sinks: [jobs, rows], end }, 200, 100);
    console.log(`${undone} not done`);
    process.exit(undone > 0 ? 1 : 0); // what does not heed its signal runs on
  };
  process.once("SIGTERM", stop);
  setTimeout(stop, 50); // in place of the signal
}
