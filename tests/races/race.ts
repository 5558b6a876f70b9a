/**
 * Races: an object is made with any options, things are done to it one at a time and in any order,
 * and after each of them, when everything has had its turn, what it promises must hold.
 */

import fc from "fast-check";
import { type Clock, withClock } from "../support/clock.ts";
import { macrotask } from "../support/gate.ts";
import { test } from "../support/test.ts";
import { onUnhandled } from "../support/unhandled.ts";

/** How many schedules of each race the suite plays. */
const SCHEDULES = 100;

/** How many seeds there are. */
export const SEEDS: number = 2 ** 31;

/** One thing that is done. */
export interface Step {
  readonly do: string;
}

/** Time passes. */
export interface Advance extends Step {
  readonly do: "advance";
  readonly ms: number;
}

/** Time passes with the event loop blocked: the step is done before any timer that is due fires. */
interface Late extends Step {
  readonly do: "late";
  readonly ms: number;
  readonly step: Step;
}

/** Several things are done before any of them has had its turn. */
interface Together extends Step {
  readonly do: "together";
  readonly steps: readonly Step[];
}

/** What a run says of itself when its steps are done. */
export interface Outlook {
  /** Whether a step could do anything now. */
  can(step: Step): boolean;
  /** Whether nothing that is done now changes anything. */
  readonly ended: boolean;
}

/** A property: what it promises, and the schedules that it is held against. */
export interface Race {
  /** For the command line. */
  readonly name: string;
  /** With the rules of the contract that it holds. */
  readonly promise: string;
  readonly schedules: fc.Arbitrary<Schedule>;
  /** Tells `before` how it stands before everything is brought to its end. */
  play(schedule: Schedule, before?: (outlook: Outlook) => void): Promise<void>;
}

/** An object, and what is done to it. */
interface Schedule {
  readonly setup: unknown;
  readonly steps: readonly Step[];
}

/** Which schedules: `count` of those of the seed, or the one that the path leads to. */
export interface Choice {
  readonly seed: number;
  readonly count: number;
  readonly path?: string | undefined;
}

/** The shortest schedule that breaks a promise. */
export interface Failure {
  /** How many schedules it took. */
  readonly schedules: number;
  readonly message: string;
}

/** An object that a schedule is played on, and all that is known of it from outside. */
export abstract class Run<P extends Step> {
  protected readonly clock: Clock;
  #wrong: string | undefined;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Does it, and returns at once. */
  abstract do(step: P): void;
  /** What must hold when everything has had its turn. */
  protected abstract check(): void;
  /** Brings everything to its end, and sees that nothing is left. */
  abstract finish(): Promise<void>;
  /** Called after each timer, and when time has passed. */
  look(): void {}
  /** Whether the step could do anything now. Time that nobody waits for is let pass at the start only. */
  can(step: P | Advance): boolean {
    return step.do !== "advance" || this.clock.pending > 0 || this.clock.now === 0;
  }
  /** Whether nothing that is done now changes anything. */
  get ended(): boolean {
    return false;
  }

  /** Whether an error that nobody has handled is the fault of the platform. */
  protected forgives(_error: unknown): boolean {
    return false;
  }

  /** Complains at the next quiet moment: a throw would be lost in a callback. */
  protected must(right: boolean, complaint: string): void {
    if (!right) this.#wrong ??= complaint;
  }

  /** Lets everything have its turn, and looks. */
  async quiet(): Promise<void> {
    await macrotask();
    this.check();
    for (const error of lost.splice(0)) {
      this.must(this.forgives(error), `nobody handles ${String(error)}`);
    }
    if (this.#wrong !== undefined) throw new Error(this.#wrong);
  }
}

/** Errors that nobody has handled. */
const lost: unknown[] = [];

/** Makes a property. */
export function race<S, P extends Step>(given: {
  readonly name: string;
  readonly promise: string;
  readonly setups: fc.Arbitrary<S>;
  readonly steps: fc.Arbitrary<P | Advance>;
  /** The most steps. */
  readonly most?: number;
  /** How late timers may be. */
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

/** Makes a test of each race, over some schedules; `tools/races.ts` plays the many. */
export function suite(races: readonly Race[]): readonly Race[] {
  for (const race of races) {
    test(race.promise, async () => {
      const failure = await hold(race, { seed: newSeed(), count: SCHEDULES });
      if (failure) throw new Error(failure.message);
    });
  }
  return races;
}

/** A seed that nobody has chosen. */
export function newSeed(): number {
  return Math.trunc(Math.random() * SEEDS);
}

/** Plays the schedules, until one fails. */
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

/** Has each quiet moment complain of errors that nobody handles, until the result is called. */
export function watch(): () => void {
  return onUnhandled((error) => lost.push(error));
}

/** For `fc.oneof`: one choice and its weight. */
export function often<P>(
  weight: number,
  arbitrary: fc.Arbitrary<P>,
): { weight: number; arbitrary: fc.Arbitrary<P> } {
  return { weight, arbitrary };
}

/** A thing that is done without more words. */
export function simply<N extends string>(...names: N[]): fc.Arbitrary<{ readonly do: N }> {
  return fc.constantFrom(...names.map((name) => ({ do: name })));
}

/** Time passes, by one of these. */
export function advance(...ms: number[]): fc.Arbitrary<Advance> {
  return fc.constantFrom(...ms.map((ms) => ({ do: "advance" as const, ms })));
}

/** Whether it is time that passes. */
export function isAdvance(step: Step): step is Advance {
  return step.do === "advance";
}

function isLate(step: Step): step is Late {
  return step.do === "late";
}

function isTogether(step: Step): step is Together {
  return step.do === "together";
}

/** A step in words. */
export function show(step: Step): string {
  if (isTogether(step)) return step.steps.map(show).join(", and at once ");
  if (isLate(step)) return `${step.ms} ms late: ${show(step.step)}`;
  const { do: name, ...rest } = step;
  const words = Object.entries(rest).map(([key, value]) => `${key} ${fc.stringify(value)}`);
  return [name, ...words].join(" ");
}
