/**
 * Races: a race makes an object with any options, and runs steps one at a time, in any order. After
 * each step, when all tasks have run, the object's promises must hold.
 */

import fc from "fast-check";
import { type Clock, withClock } from "../support/clock.ts";
import { macrotask } from "../support/gate.ts";
import { test } from "../support/test.ts";
import { onUnhandled } from "../support/unhandled.ts";

/** The number of schedules of each race in the suite. */
const SCHEDULES = 100;

/** The number of seeds. */
export const SEEDS: number = 2 ** 31;

/** One step. */
export interface Step {
  readonly do: string;
}

/** Time passes. */
export interface Advance extends Step {
  readonly do: "advance";
  readonly ms: number;
}

/** Time passes with a blocked event loop: the step runs before any due timer fires. */
interface Late extends Step {
  readonly do: "late";
  readonly ms: number;
  readonly step: Step;
}

/** Several steps run before any task runs. */
interface Together extends Step {
  readonly do: "together";
  readonly steps: readonly Step[];
}

/** The state of a run after its steps. */
export interface Outlook {
  /** Whether a step could have an effect now. */
  can(step: Step): boolean;
  /** Whether no step has an effect any more. */
  readonly ended: boolean;
}

/** A property: the promise, and its schedules. */
export interface Race {
  /** Its name on the command line. */
  readonly name: string;
  /** Its promise, with the rules of the contract that it checks. */
  readonly promise: string;
  readonly schedules: fc.Arbitrary<Schedule>;
  /** Passes its state to `before`, before everything is brought to its end. */
  play(schedule: Schedule, before?: (outlook: Outlook) => void): Promise<void>;
}

/** An object and the steps. */
interface Schedule {
  readonly setup: unknown;
  readonly steps: readonly Step[];
}

/** The schedules: `count` of the seed, or the one of the path. */
export interface Choice {
  readonly seed: number;
  readonly count: number;
  readonly path?: string | undefined;
}

/** The shortest schedule that breaks a promise. */
export interface Failure {
  /** The number of schedules until then. */
  readonly schedules: number;
  readonly message: string;
}

/** Plays a schedule on an object, and knows everything visible of it. */
export abstract class Run<P extends Step> {
  protected readonly clock: Clock;
  #wrong: string | undefined;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Runs a step, and returns at once. */
  abstract do(step: P): void;
  /** Checks the promises after all tasks have run. */
  protected abstract check(): void;
  /** Brings everything to its end, and checks that nothing is left. */
  abstract finish(): Promise<void>;
  /** Called after each timer, and after time has passed. */
  look(): void {}
  /** Whether the step could have an effect now. Time without a timer passes only at the start. */
  can(step: P | Advance): boolean {
    return step.do !== "advance" || this.clock.pending > 0 || this.clock.now === 0;
  }
  /** Whether no step has an effect any more. */
  get ended(): boolean {
    return false;
  }

  /** Whether an unhandled error is a fault of the platform. */
  protected forgives(_error: unknown): boolean {
    return false;
  }

  /** Notes a complaint for the next quiet moment, because a throw in a callback would be lost. */
  protected must(right: boolean, complaint: string): void {
    if (!right) this.#wrong ??= complaint;
  }

  /** Lets all tasks run, and checks. */
  async quiet(): Promise<void> {
    await macrotask();
    this.check();
    for (const error of lost.splice(0)) {
      this.must(this.forgives(error), `unhandled: ${String(error)}`);
    }
    if (this.#wrong !== undefined) throw new Error(this.#wrong);
  }
}

/** Unhandled errors. */
const lost: unknown[] = [];

/** Makes a property. */
export function race<S, P extends Step>(given: {
  readonly name: string;
  readonly promise: string;
  readonly setups: fc.Arbitrary<S>;
  readonly steps: fc.Arbitrary<P | Advance>;
  /** The most steps. */
  readonly most?: number;
  /** The largest delay of timers. */
  readonly late?: readonly number[];
  readonly start: (setup: S, clock: Clock) => Run<P>;
}): Race {
  const { name, promise, setups, most = 20, late = [] } = given;
  const step = late.length === 0 ? given.steps : fc.oneof(
    often(15, given.steps as fc.Arbitrary<Step>),
    often(
      1,
      fc.tuple(fc.constantFrom(...late), given.steps).map(([ms, step]) => ({
        do: "late",
        ms,
        step,
      })),
    ),
  );
  const steps = fc.array<Step>(step, { minLength: 1, maxLength: most, size: "max" });
  return {
    name,
    promise,
    schedules: fc.record({ setup: setups, steps }, { noNullPrototype: true }),
    play: ({ setup, steps }, before) =>
      withClock(async (clock) => {
        lost.length = 0;
        const run = given.start(setup as S, clock);
        await run.quiet();
        for (const step of steps) {
          if (isLate(step)) {
            clock.block(step.ms);
            if (!isAdvance(step.step)) run.do(step.step as P);
          } else if (isTogether(step)) {
            for (const each of step.steps) run.do(each as P);
          } else if (!isAdvance(step)) run.do(step as P);
          if (isAdvance(step) || isLate(step)) {
            await clock.tick(isLate(step) ? 0 : step.ms, () => run.look());
            run.look();
          }
          await run.quiet();
        }
        before?.(run as Outlook);
        await run.finish();
        if (clock.pending > 0) throw new Error("a timer is left");
      }),
  };
}

/** Makes a test of each race, with some schedules. `tools/races.ts` plays many. */
export function suite(races: readonly Race[]): readonly Race[] {
  for (const race of races) {
    test(race.promise, async () => {
      const failure = await hold(race, { seed: newSeed(), count: SCHEDULES });
      if (failure) throw new Error(failure.message);
    });
  }
  return races;
}

/** A random seed. */
export function newSeed(): number {
  return Math.trunc(Math.random() * SEEDS);
}

/** Plays schedules until one fails. */
export async function hold(
  { name, schedules, play }: Race,
  { seed, count, path }: Choice,
): Promise<Failure | undefined> {
  const stop = watch();
  const details = await fc.check(fc.asyncProperty(schedules, (schedule) => play(schedule)), {
    seed,
    numRuns: count,
    ...(path !== undefined && { path, endOnFailure: true }),
  });
  stop();
  if (!details.failed) return;
  const { setup, steps } = details.counterexample![0];
  const where = `--seed ${details.seed} --path ${details.counterexamplePath}`;
  const message = [
    `${name}: ${(details.errorInstance as Error).message}`,
    `  made with ${fc.stringify(setup)}`,
    ...steps.map((step, index) => `  ${index + 1}. ${show(step)}`),
    `again: deno task races --property ${name} ${where}`,
  ];
  return { schedules: details.numRuns, message: message.join("\n") };
}

/** Makes each quiet moment complain about unhandled errors, until you call the result. */
export function watch(): () => void {
  return onUnhandled((error) => lost.push(error));
}

/** One choice for `fc.oneof`, and its weight. */
export function often<P>(
  weight: number,
  arbitrary: fc.Arbitrary<P>,
): { weight: number; arbitrary: fc.Arbitrary<P> } {
  return { weight, arbitrary };
}

/** A step without parameters. */
export function simply<N extends string>(...names: N[]): fc.Arbitrary<{ readonly do: N }> {
  return fc.constantFrom(...names.map((name) => ({ do: name })));
}

/** Time passes, by one of these amounts. */
export function advance(...ms: number[]): fc.Arbitrary<Advance> {
  return fc.constantFrom(...ms.map((ms) => ({ do: "advance" as const, ms })));
}

/** Whether a step lets time pass. */
export function isAdvance(step: Step): step is Advance {
  return step.do === "advance";
}

function isLate(step: Step): step is Late {
  return step.do === "late";
}

function isTogether(step: Step): step is Together {
  return step.do === "together";
}

/** A step as text. */
export function show(step: Step): string {
  if (isTogether(step)) return step.steps.map(show).join(", and at once ");
  if (isLate(step)) return `${step.ms} ms late: ${show(step.step)}`;
  const { do: name, ...rest } = step;
  const words = Object.entries(rest).map(([key, value]) => `${key} ${fc.stringify(value)}`);
  return [name, ...words].join(" ");
}
