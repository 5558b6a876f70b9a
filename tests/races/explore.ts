/**
 * Explorations play all schedules of a race with a number of events, shorter ones first, instead of
 * random ones. Each schedule starts from the beginning. The promises of the race must hold after
 * each event, and after the object is brought to its end.
 *
 * A path is a list of events, such as "push a, done 0 & abort". After a comma, all tasks have run.
 * After an `&`, none has; it counts as one more event.
 */

import fc from "fast-check";
import { test } from "../support/test.ts";
import { isAdvance, type Outlook, type Race, show, type Step, watch } from "./race.ts";

/** The depth in the suite. `tools/explore.ts` goes deeper. */
const SHALLOW = 3;

/** The default depth of `tools/explore.ts`. */
const DEPTH = 6;

/** The most items in a path. */
const MOST_ITEMS = 3;

/** All keys and signals are equivalent, so the second never comes before the first. */
const FIRST: Readonly<Record<string, string>> = { b: "a", y: "x" };

/** A race, its setup, and its possible events. */
export interface Exploration {
  /** Its name on the command line. */
  readonly name: string;
  /** Its promise, with the rules of the contract that it checks. */
  readonly promise: string;
  /** The depth in `tools/explore.ts`. */
  readonly depth: number;
  readonly race: Race;
  readonly setup: unknown;
  /** The events, by name. */
  readonly events: Readonly<Record<string, Step>>;
  /** Pairs of events that never come in one turn, because the model can't predict their outcome. */
  readonly apart?: RegExp;
}

/** The result of an exploration. */
export interface Explored {
  /** The number of sequences. */
  readonly sequences: number;
  readonly failure?: string;
}

/** The outcome of a path. */
export interface Visit extends Explored {
  /** The next paths to visit. */
  readonly longer: readonly string[];
}

/**
 * Makes an exploration of the race with which its name begins, with a setup and events of that
 * race.
 */
export function exploration<S, P extends Step>(given: {
  readonly name: string;
  readonly races: readonly Race[];
  readonly depth?: number;
  readonly setup: S;
  readonly events: Readonly<Record<string, P>>;
  readonly apart?: RegExp;
}): Exploration {
  const { name, races, depth = DEPTH } = given;
  const [race] = races.filter((race) => name.startsWith(race.name))
    .sort((a, b) => b.name.length - a.name.length);
  if (!race) throw new Error(`no race for ${name}`);
  const promise = race.promise.replace("schedule", `sequence of ${SHALLOW} events of ${name}`);
  return { ...given, race, depth, promise };
}

/** Makes a test of each exploration, with few events. */
export function explored(explorations: readonly Exploration[]): readonly Exploration[] {
  for (const exploration of explorations) {
    test(exploration.promise, async () => {
      const { failure } = await explore(exploration, SHALLOW);
      if (failure !== undefined) throw new Error(failure);
    });
  }
  return explorations;
}

/** Explores all sequences, or a number of them. */
export async function explore(
  exploration: Exploration,
  depth: number,
  most: number = Infinity,
): Promise<Explored> {
  const levels = Array.from({ length: depth + 1 }, (): string[] => []);
  levels[0]!.push("");
  let sequences = 0;
  for (const level of levels) {
    for (const path of level) {
      if (sequences >= most) break;
      const visit = await visitAll(exploration, [path], depth);
      sequences += visit.sequences;
      if (visit.failure !== undefined) return { sequences, failure: visit.failure };
      for (const longer of visit.longer) levels[lengthOf(longer)]!.push(longer);
    }
    level.length = 0;
  }
  return { sequences };
}

/** Plays each path, and each longer one without further events, until one fails. */
export async function visitAll(
  exploration: Exploration,
  paths: readonly string[],
  depth: number,
): Promise<Visit> {
  const stop = watch();
  const longer: string[] = [];
  let sequences = 0;
  let now = "";
  const visit = async (path: string) => {
    sequences++;
    return await play(exploration, now = path);
  };
  try {
    for (const path of paths) {
      const { ended, next } = await visit(path);
      for (const each of next) {
        const length = lengthOf(each);
        if (length < depth && !ended) longer.push(each);
        else if (length <= depth) await visit(each);
      }
    }
    return { sequences, longer };
  } catch (error) {
    return { sequences, longer: [], failure: told(exploration, now, error) };
  } finally {
    stop();
  }
}

/** The number of events that a path counts as. */
export function lengthOf(path: string): number {
  return path === "" ? 0 : path.split(", ").length + 2 * (path.split(" & ").length - 1);
}

/** Returns the events that can follow. */
async function play(
  exploration: Exploration,
  path: string,
): Promise<{ ended: boolean; next: string[] }> {
  const { race, setup, events } = exploration;
  let ended = false;
  let next: string[] = [];
  await race.play({ setup, steps: stepsOf(path, events) }, (outlook) => {
    ended = outlook.ended;
    next = [...after(path, exploration, outlook)];
  });
  return { ended, next };
}

function stepsOf(path: string, events: Exploration["events"]): Step[] {
  if (path === "") return [];
  return path.split(", ").map((turn) => {
    const steps = turn.split(" & ").map((name) => {
      const step = events[name];
      if (!step) {
        throw new Error(`no event "${name}"; there are: ${Object.keys(events).join(", ")}`);
      }
      return step;
    });
    return steps.length === 1 ? steps[0]! : { do: "together", steps };
  });
}

function* after(
  path: string,
  { events, apart }: Exploration,
  outlook: Outlook,
): Iterable<string> {
  const names = path === "" ? [] : path.split(/, | & /);
  const words = new Set(names.flatMap((name) => name.split(" ")));
  const last = names.at(-1);
  let items = 0;
  for (const name of names) items += itemsOf(events[name]!);
  for (const [name, step] of Object.entries(events)) {
    const known = name.split(" ").every((word) => !FIRST[word] || words.has(FIRST[word]));
    if (!known || items + itemsOf(step) > MOST_ITEMS || !outlook.can(step)) continue;
    if (last === undefined) yield name;
    else {
      yield `${path}, ${name}`;
      if (isTime(step) || isTime(events[last]!) || apart?.test(`${last} & ${name}`)) continue;
      yield `${path} & ${name}`;
    }
  }
}

/** Whether all tasks run meanwhile. */
function isTime(step: Step): boolean {
  return isAdvance(step) || step.do === "late";
}

function itemsOf(step: Step): number {
  const { plans, items, acts } = step as { [name: string]: unknown[] } & Step;
  return (plans ?? items ?? acts)?.length ?? (step.do === "call" ? 1 : 0);
}

function told({ name, setup, events }: Exploration, path: string, error: unknown): string {
  return [
    `${name}: ${(error as Error).message}`,
    `  made with ${fc.stringify(setup)}`,
    ...stepsOf(path, events).map((step, index) => `  ${index + 1}. ${show(step)}`),
    `again: deno task explore --only ${name} --path "${path}"`,
  ].join("\n");
}
