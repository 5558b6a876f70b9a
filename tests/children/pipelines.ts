/** The transforms in a `pipeline()` of `node:stream`: it settles, and the process exits. */

import { Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { counted, streamOf } from "../support/gate.ts";
import { make, text, type Transform, transforms } from "../support/transforms.ts";
import { type Case, tell } from "./case.ts";

type Take = (chunk: unknown) => void;

/** A stream at the end of a pipeline. */
const lasts: Record<string, (take: Take) => unknown> = {
  "a WritableStream": (write) => new WritableStream({ write }),
  "a Writable": (take) =>
    new Writable({
      objectMode: true,
      write(chunk, _, done) {
        try {
          take(chunk);
          done();
        } catch (error) {
          done(error as Error);
        }
      },
    }),
  "a generator": (take) =>
    async function* (chunks: AsyncIterable<unknown>) {
      for await (const chunk of chunks) yield take(chunk);
    },
};

/** Untyped, because the types of Node, Bun and Deno use different web stream types. */
const pipe = pipeline as unknown as (
  source: ReadableStream<unknown>,
  transform: TransformStream<unknown, unknown>,
  last: unknown,
) => Promise<unknown>;

/** Gives the items, then others without end, and prints its end. */
async function* endless(items: readonly unknown[], rest: readonly unknown[]) {
  try {
    yield* items;
    for (let taken = 0;; taken++) {
      counted(taken);
      yield* rest;
    }
  } finally {
    console.log("cancelled");
  }
}

/** Gives the items, and fails. */
async function* failing(items: readonly unknown[]) {
  yield* items;
  throw new Error("broken");
}

function ofTransform(transform: Transform): Case[] {
  const { name, items, results, bad, message } = transform;
  return Object.entries(lasts).flatMap(([last, open]): Case[] => {
    const inside = `${name} in a pipeline() of node:stream into ${last}`;
    return [
      {
        name: `${inside} hands over all items, and lets the process exit [4.7] [F-36]`,
        async run() {
          const got: unknown[] = [];
          await tell(pipe(streamOf(items), make(transform), open((chunk) => got.push(chunk))));
          console.log(text(got));
        },
        prints: ["fulfilled", text(results)],
      },
      {
        name: `${inside} passes on a failure of the source, and lets the process exit [7.3] [F-36]`,
        async run() {
          await tell(pipe(streamOf(failing(items)), make(transform), open(() => {})));
        },
        prints: ["rejected: broken"],
      },
      {
        name:
          `${inside} passes on a failure of the last stage, and lets the process exit [7.3] [F-36]`,
        async run() {
          await tell(pipe(
            streamOf(items),
            make(transform),
            open(() => {
              throw new Error("full");
            }),
          ));
        },
        prints: ["rejected: full"],
      },
      ...(bad === undefined ? [] : [
        {
          name:
            `${inside} fails with the error of user code, and lets the process exit [7.3] [F-36]`,
          async run() {
            const source = streamOf(endless([...items, bad], items));
            await tell(
              pipe(source, make(transform), open(() => {})).catch((error) => {
                throw message!.test(error.message) ? "its error" : error;
              }),
            );
          },
          prints: ["cancelled", "rejected: its error"],
        } satisfies Case,
      ]),
    ];
  });
}

/** All cases. */
export const pipelines: readonly Case[] = transforms.flatMap(ofTransform);
