/**
 * The need: your program gets SIGTERM. It should accept no more work, finish what it has while there is time,
 * and report the items that it could not finish.
 *
 * The idea: two signals. The first one ends the intake: the sources are no longer read. Then each sink drains,
 * first the ones that feed others. If that takes longer than `timeout`, the second signal aborts all sinks.
 * `onDiscard` and `onError` then get the items that were not done.
 *
 * A single sink doesn't need `drain`. Abort the `signal` of the `pipeTo`, wait for the pipe, and call
 * `sink.close({ timeout })`. Use `drain` if several sinks share one time limit, or if a pipe may wait for room
 * in a full sink: that pipe keeps its lock, so `close` rejects.
 *
 * The limits:
 *
 * - `drain` knows sinks only. A pipe that aborts also discards the items of a `BatchStream` or a `MapStream`
 *   in it: give that an `onDiscard`. Items in the queue of the source reach no hook. To lose none, end the
 *   source instead of the pipe, such as by `if (stopped) return;` in its loop, and wait for the pipe.
 * - A handler that ignores its signal runs on. After `grace` milliseconds `drain` doesn't wait for it any
 *   longer: exit the process.
 * - Your platform kills the process after its own time limit, such as 30 seconds in Kubernetes. Choose a
 *   `timeout` below that.
 * - SIGKILL and crashes don't wait. If no item may be lost, use a broker: see
 *   [the cluster example](../cluster/README.md).
 *
 * Next: [dead_letters.ts](dead_letters.ts) keeps the items that were not done.
 */

// In your project: from "@weir/streams".
import { Aggregator, Fanout, type Sink, type SinkStats } from "../../mod.ts";

/** The parts of a program that `drain` ends. */
export interface Parts {
  /** `drain` aborts this first. Give its signal to everything that brings items: `consume` and `pipeTo`. */
  readonly intake: AbortController;
  /** The pipes into the sinks. They need `preventClose` and `preventAbort`. */
  readonly pipes: Iterable<Promise<unknown>>;
  /**
   * The sinks. If the handler of a sink gives items to another sink, the first one comes before the other.
   * `drain` closes each one when the one before it is closed.
   */
  readonly sinks: Iterable<Pick<Sink<unknown>, "stats" | "close" | "closed" | "idle">>;
  /** `drain` aborts this when the time is over. Give its signal to each sink. */
  readonly end: AbortController;
}

/**
 * Drains for at most `timeout` milliseconds, and then aborts. Handlers then have `grace` milliseconds to end.
 * Resolves with the number of items that were not done. `onDiscard` and `onError` of the sinks got them,
 * except for those whose handlers still run.
 */
export async function drain(
  { intake, pipes, sinks, end }: Parts,
  timeout: number,
  grace = 1000,
): Promise<number> {
  const all = [...sinks];
  const before = sum(all, ({ failed, discarded }) => failed + discarded);
  const close = async () => {
    // A pipe releases its sink when the sink has accepted the items that it read.
    await Promise.allSettled(pipes);
    for (const sink of all) {
      await sink.close().catch(() => {}); // `onDiscard` and `onError` have its items
      await sink.closed.catch(() => {}); // a pipe may close it
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

/** Whether the work ends within `ms` milliseconds. */
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
    process.exit(undone > 0 ? 1 : 0); // a handler that ignores its signal still runs
  };
  // With `once`, a second signal would kill the process while it drains.
  let stopping: Promise<void> | undefined;
  const onSignal = () => void (stopping ??= stop());
  process.on("SIGTERM", onSignal);
  setTimeout(onSignal, 50); // for the demo: as if SIGTERM came
}
