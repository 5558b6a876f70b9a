/** Pipes between two of ours: everything happens as with the platform's own pipe. */

import fc from "fast-check";
import type { Clock } from "./support/clock.ts";
import { here } from "./support/host.ts";
import type { Exploration } from "./races/explore.ts";
import {
  type How,
  Line,
  type LineSetup,
  type LineStep,
  type LineView,
  type Part,
  type Piping,
} from "./races/pipe_line.ts";
import { advance, often, type Race, race, Run, simply, suite } from "./races/race.ts";

const PATIENCE = 60;

/** Of a pipe by `pipeThrough`, only the end is visible. */
const FAILURE = /rejected|pipe \d false false/;

/** The platform's pipe, bypassing our own methods. */
const theirs: Piping = {
  to: (source, sink, options) => ReadableStream.prototype.pipeTo.call(source, sink, options),
  through(source, pair, options) {
    ReadableStream.prototype.pipeThrough.call(source, pair, options);
  },
};

const ours: Piping = {
  to: (source, sink, options) => source.pipeTo(sink, options),
  through(source, pair, options) {
    source.pipeThrough(pair, options);
  },
};

interface Setup extends LineSetup {
  /** All tasks have run before the pipes begin. */
  readonly late: boolean;
}

class PipeRun extends Run<LineStep> {
  readonly #lines: readonly Line[];
  #waits: boolean;
  readonly #loosely: boolean;
  /**
   * The first part after which results may differ: it passes the latest item of that moment, or
   * whichever batch is ready first.
   */
  readonly #thinning: number;
  /** The number of rejections so far. */
  #failures = 0;
  /** They differ in a turn in which something has ended, so the comparison stops. */
  #apart = false;

  constructor(setup: Setup, clock: Clock) {
    super(clock);
    this.#lines = [theirs, ours].map((piping) => new Line(setup, piping));
    this.#waits = setup.late;
    const adaptive = setup.parts.some((part) => "linger" in part && part.linger === 0);
    // It gets a pull at once.
    const eager = setup.front !== "writer" && setup.parts[0]?.kind === "map";
    this.#loosely = setup.rash || (adaptive && (eager || here !== "node24"));
    const thinning = setup.parts.findIndex((part, at) =>
      part.kind === "throttle" ||
      // With other batches it makes other calls, and hands over the first result first.
      (part.kind === "map" && !part.ordered && part.how !== "sync" &&
        setup.parts.slice(0, at).some((before) => "linger" in before && before.linger === 0))
    );
    this.#thinning = thinning < 0 ? Infinity : thinning;
    if (!setup.late) this.do({ do: "pipe" });
  }

  do(step: LineStep): void {
    for (const line of this.#lines) line.do(step);
  }

  protected check(): void {
    this.must(this.#lines.every(({ unlocked }) => unlocked), "a lock is left");
    if (this.#apart) return;
    const [one, other] = this.#lines.map(({ view }) => view) as [LineView, LineView];
    const [told, toldOther] = [one, other].map((view) => JSON.stringify(view));
    const failures = `${told}${toldOther}`.split(FAILURE).length;
    const failing = failures > this.#failures;
    this.#failures = failures;
    if (told === toldOther) return;
    this.#apart = mayDiffer(one, other, failing, this.#loosely, this.#thinning);
    this.must(this.#apart, `not the same\n    theirs ${told}\n    ours   ${toldOther}`);
  }

  override async quiet(): Promise<void> {
    await super.quiet();
    if (this.#waits) {
      this.#waits = false;
      this.do({ do: "pipe" });
      await super.quiet();
    }
    while (this.#lines.map((line) => line.catchUp()).includes(true)) await super.quiet();
  }

  /** The pipe of Node 24 writes after it has released the sink. */
  protected override forgives(error: unknown): boolean {
    return (error as { code?: unknown } | undefined)?.code === "ERR_INTERNAL_ASSERTION";
  }

  async finish(): Promise<void> {
    for (const line of this.#lines) line.resume();
    await this.quiet();
    this.do({ do: "close" });
    await this.quiet();
    for (let turns = 0, before = ""; turns < PATIENCE && before !== this.#view; turns++) {
      before = this.#view;
      this.do({ do: "read" });
      await this.quiet();
      this.do({ do: "settle", at: 0, fails: false });
      await this.clock.tick(10);
      await this.quiet();
    }
    for (const line of this.#lines) line.end();
    await this.quiet();
    await this.quiet();
  }

  get #view(): string {
    return JSON.stringify(this.#lines.map(({ view }) => view));
  }
}

/**
 * Whether two may differ. Node rejects an ended pipe with the failure of a write that was pending
 * at that time. Platforms also differ in how far items move in one turn, because some need one more
 * microtask. This is visible in a turn in which something fails, with `rash` functions, and in the
 * batches of `linger: 0`. Node 24 needs as many microtasks as ours, except for a `MapStream.from`.
 */
function mayDiffer(
  one: LineView,
  other: LineView,
  failing: boolean,
  loosely: boolean,
  thinning: number,
): boolean {
  const pipes = Object.keys(one.outcomes).filter((name) => name.startsWith("pipe "));
  const isOver = ({ outcomes }: LineView, name: string) => outcomes[name] !== "pending";
  const told = pipes.filter((name) => one.outcomes[name] !== other.outcomes[name]);
  if (told.some((name) => isOver(one, name) && isOver(other, name))) {
    return failing || told.every((name) => one.outcomes[name]!.startsWith("rejected"));
  }
  if (!failing && !loosely) return false;
  // One has given each function the same items as the other, and a few more.
  return Object.keys({ ...one.seen, ...other.seen }).every((place) => {
    const [, at = place === "sink" ? Infinity : -1] = /^part (\d)$/.exec(place) ?? [];
    if (Number(at) < 0 || Number(at) > thinning) return true;
    const [given, givenOther] = [one, other].map(({ seen }) => idsIn(seen[place] ?? []));
    return given!.startsWith(givenOther!) || givenOther!.startsWith(given!);
  });
}

/** In any batches. */
function idsIn(seen: readonly string[]): string {
  return `${seen}`.replaceAll(/[[\]]/g, "");
}

const hows = fc.constantFrom<How>("sync", "async", "mixed");
const lingers = fc.constantFrom(0, 0, 10, Infinity);
const few = fc.integer({ min: 1, max: 3 });

const parts: fc.Arbitrary<Part> = fc.oneof(
  often(4, fc.record({ kind: fc.constant("batch" as const), maxItems: few, linger: lingers })),
  often(
    5,
    fc.record({
      kind: fc.constant("map" as const),
      how: hows,
      concurrency: few,
      ordered: fc.boolean(),
      skips: fc.boolean(),
    }),
  ),
  often(
    2,
    fc.record({
      kind: fc.constant("chunk" as const),
      maxBytes: fc.integer({ min: 3, max: 6 }),
      linger: lingers,
    }),
  ),
  often(
    1,
    fc.record({
      kind: fc.constant("throttle" as const),
      edge: fc.constantFrom("leading" as const, "trailing" as const, "both" as const),
    }),
  ),
  often(1, fc.record({ kind: fc.constant("fixed" as const), size: few })),
);

/** A stage that takes bytes comes before one that gathers them. */
function inOrder(given: readonly Part[]): Part[] {
  const gathers = given.findIndex(({ kind }) => kind === "batch" || kind === "chunk");
  return given.filter(({ kind }, at) =>
    gathers < 0 || at <= gathers || (kind !== "chunk" && kind !== "fixed")
  );
}

const at = fc.nat(3);
const plain = fc.oneof(
  often(3, fc.record({ do: fc.constant("settle" as const), at, fails: fc.boolean() })),
  often(
    2,
    simply(
      ...["close", "abort", "read", "unlock", "cancel", "end sink", "push"] as const,
      ...["flush", "pause", "close sink", "abort sink", "pipe again"] as const,
    ),
  ),
  often(
    1,
    fc.record({
      do: fc.constantFrom(
        ...["end part", "end pipe", "write to part", "close part", "lock part", "read at"] as const,
      ),
      at,
    }),
  ),
) as fc.Arbitrary<LineStep>;

const early = fc.record({
  do: fc.constantFrom(...["write to part", "close part", "lock part", "read at"] as const),
  at,
}) as fc.Arbitrary<LineStep>;

const written = (count: fc.Arbitrary<number>, deeds: fc.Arbitrary<LineStep>) =>
  fc.record({
    do: fc.constant("write" as const),
    count,
    deed: fc.option(
      fc.record({
        by: fc.constantFrom("map" as const, "handler" as const, "discard" as const),
        what: fc.oneof(fc.constant("throw" as const), deeds),
      }),
      { nil: undefined, freq: 3 },
    ),
  }) as fc.Arbitrary<LineStep>;

function pipes(name: string, promise: string, rash: boolean): Race {
  const count = rash ? few : fc.constant(1);
  // If a step comes in between, platforms differ by a microtask, and so in the refused items.
  const deed = rash ? plain.filter((step) => step.do !== "push") : plain;
  const write = written(count, fc.oneof(often(3, deed), often(1, written(count, deed))));
  return race({
    name,
    promise,
    setups: fc.record({
      front: fc.constantFrom("writer" as const, "stream" as const, "iterator" as const),
      parts: fc.array(parts, { minLength: 1, maxLength: 3, size: "max" }).map(inOrder),
      sink: fc.constantFrom(...["fanout", "fanout", "aggregator", "none"] as const),
      how: hows,
      concurrency: few,
      capacity: fc.nat(2),
      linger: lingers,
      skips: fc.boolean(),
      prevents: fc.subarray([...["preventAbort", "preventCancel", "preventClose"] as const]),
      signalled: fc.boolean(),
      through: fc.boolean(),
      rash: fc.constant(rash),
      before: rash
        ? fc.array(fc.oneof(plain, written(few, deed)), { maxLength: 2 })
        : fc.array(fc.oneof(early, written(count, plain)), { maxLength: 1 }),
      late: fc.boolean(),
    }).map((setup) =>
      // Node may release the source of a pipe silently, which must be visible.
      setup.signalled ? { ...setup, through: false } : setup
    ),
    steps: fc.oneof(
      often(8, write),
      often(10, fc.record({ do: fc.constant("settle" as const), at, fails: fc.boolean() })),
      often(6, simply("read")),
      often(5, plain),
      often(4, advance(1, 5, 10)),
    ) as never,
    start: (setup: Setup, clock) => new PipeRun(setup, clock),
  });
}

/** The races of pipes between two of ours. */
export const races: readonly Race[] = suite([
  pipes(
    "pipe",
    "A pipe between two of ours does the same as the platform's pipe in every schedule [7.19]",
    false,
  ),
  pipes(
    "pipe-rash",
    "A pipe between two of ours moves items at the same time as the platform's pipe [7.19]",
    true,
  ),
]);

/** There are no explorations, because there are too many sequences. */
export const explorations: readonly Exploration[] = [];
