/**
 * Explorations: of a race not some schedules but all that so many events make, the shorter ones
 * first. Each is played from the start, and what it promises must hold after each of its events, and
 * when it is then brought to its end.
 *
 * A path is a list of events. After a comma everything has had its turn, at an `&` nothing has, and
 * that counts as an event more: "push a, done 0 & abort".
 */

import fc from "fast-check";
import { test } from "../support/test.ts";
import { isAdvance, type Outlook, type Race, show, type Step, watch } from "./race.ts";

/** What the suite explores, of each; `tools/explore.ts` goes further. */
const SHALLOW = 3;

/** How many events `tools/explore.ts` explores, where nothing else is said. */
const DEPTH = 6;

/** How many items there are in a path, at most. */
const MOST_ITEMS = 3;

/** Keys and signals are all alike: the second is one that comes after the first. */
const FIRST: Readonly<Record<string, string>> = { b: "a", y: "x" };

/** A race, what it is played on, and what can happen. */
export interface Exploration {
  /** For the command line. */
  readonly name: string;
  /** With the rules of the contract that it holds. */
  readonly promise: string;
  /** How many events `tools/explore.ts` explores. */
  readonly depth: number;
  readonly race: Race;
  readonly setup: unknown;
  /** The events by their names. */
  readonly events: Readonly<Record<string, Step>>;
  /** Two events, as in a path, that never come in one turn: the model cannot say what would be. */
  readonly apart?: RegExp;
}

/** What was explored. */
export interface Explored {
  /** How many sequences. */
  readonly sequences: number;
  readonly failure?: string;
}

/** What came of a path. */
export interface Visit extends Explored {
  /** The paths that are to be visited after it. */
  readonly longer: readonly string[];
}

/** Of the race with which its name begins, with a setup and events of that kind. */
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

/** Makes a test of each, of few events. */
export function explored(explorations: readonly Exploration[]): readonly Exploration[] {
  for (const exploration of explorations) {
    test(exploration.promise, async () => {
      const { failure } = await explore(exploration, SHALLOW);
      if (failure !== undefined) throw new Error(failure);
    });
  }
  return explorations;
}

/** Explores all, or so many. */
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

/** Plays each, and what is longer by one event where nothing comes after that, until one fails. */
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

/** How many events it counts for. */
export function lengthOf(path: string): number {
  return path === "" ? 0 : path.split(", ").length + 2 * (path.split(" & ").length - 1);
}

/** What can come after it. */
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

/** Whether everything has its turn meanwhile. */
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
