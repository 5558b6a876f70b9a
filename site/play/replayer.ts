/**
 * Replays paths of the tests' own explorer, in a worker: the explorer puts a fake clock in place, which
 * must not stop the pipeline of the page.
 */

import { type Exploration, visitAll } from "../../tests/races/explore.ts";
import type { SinkRun } from "../../tests/races/sink_run.ts";
import type { SinkSetup } from "../../tests/races/sink_steps.ts";
import { explorations } from "../../tests/races_fanout_test.ts";
import type { Answer, Described, Question, Turn } from "./replay.ts";

const port = globalThis as unknown as {
  onmessage: (event: MessageEvent<Question>) => void;
  postMessage(message: Answer | Described[]): void;
};

/** Plays the path, and each of its beginnings, from the start: as the explorer does. */
async function replay({ exploration: name, path }: Question): Promise<Answer> {
  const exploration = explorations.find((each) => each.name === name)!;
  const events = path === "" ? [] : path.split(", ");
  const turns: Turn[] = [];
  let last = await play(exploration, "");
  for (let count = 1; count <= events.length && last.failure === undefined; count++) {
    const start = events.slice(0, count).join(", ");
    last = await play(exploration, start);
    if (last.turn) turns.push({ ...last.turn, events: events[count - 1]! });
  }
  const { next, ended, failure } = last;
  const answer = { exploration: name, path, turns, next, ended };
  return failure === undefined ? answer : { ...answer, failure };
}

interface Played extends Pick<Answer, "next" | "ended"> {
  readonly turn?: Omit<Turn, "events">;
  readonly failure?: string;
}

async function play(exploration: Exploration, path: string): Promise<Played> {
  let turn: Played["turn"];
  let ended = false;
  const { race } = exploration;
  const watched: Exploration = {
    ...exploration,
    race: {
      ...race,
      play: (schedule, before) =>
        race.play(schedule, (outlook) => {
          // What comes after an end is played as well.
          if (!turn) {
            turn = look(outlook as unknown as SinkRun<SinkSetup>);
            ended = outlook.ended;
          }
          before?.(outlook);
        }),
    },
  };
  const { longer, failure } = await visitAll(watched, [path], Infinity);
  const next = longer.map((each) => path === "" ? `, ${each}` : each.slice(path.length));
  return { next, ended, ...(turn && { turn }), ...(failure !== undefined && { failure }) };
}

function look(run: SinkRun<SinkSetup>): Omit<Turn, "events"> {
  const { stats } = run;
  const items = run.offers.map(({ end, job }, place) =>
    end ?? (job && !job.over ? "running" : place < stats.accepted ? "waiting" : "outside")
  );
  return { stats: { ...stats }, items };
}

/** The options of a sink that differ from nothing. */
function describe(setup: unknown): string {
  const given = Object.entries(setup as Record<string, unknown>)
    .filter(([, value]) => value !== undefined && value !== false && value !== "plain");
  return given.map(([name, value]) => `${name}: ${JSON.stringify(value)}`).join(", ");
}

port.postMessage(explorations.map(({ name, setup, events }) => {
  return { name, setup: describe(setup), events: Object.keys(events) };
}));

let playing = Promise.resolve();
port.onmessage = ({ data }) => {
  // One after the other: there is one clock.
  playing = playing.then(async () => port.postMessage(await replay(data)));
};
