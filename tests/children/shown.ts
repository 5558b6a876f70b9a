/** The output of `console.log`, and of other inspectors. */

import { inspect } from "node:util";
import {
  Aggregator,
  BatchStream,
  ChunkStream,
  Fanout,
  FixedChunkStream,
  MapStream,
  Singleflight,
  ThrottleStream,
} from "../../mod.ts";
import type { Case } from "./case.ts";

interface Host {
  readonly Deno?: { inspect(value: unknown): string };
}

const name = "mails";

const made: Record<string, object & { readonly stats?: object }> = {
  Fanout: new Fanout(() => {}, { name }),
  Aggregator: new Aggregator(() => {}, { name }),
  BatchStream: new BatchStream({ name }),
  ChunkStream: new ChunkStream({ maxBytes: 9, name }),
  FixedChunkStream: new FixedChunkStream({ size: 9, name }),
  MapStream: new MapStream(() => {}, { name }),
  ThrottleStream: new ThrottleStream({ interval: 9, name }),
};

/** For any line breaks and quotes. */
const bare = (text: string) => text.replace(/[\s"]/g, "");

/** All cases. */
export const shown: readonly Case[] = [
  {
    name: "Singleflight shows its class, its name and its stats in console.log [7.13]",
    run() {
      console.log(new Singleflight());
      console.log(new Singleflight({ name }));
    },
    prints: [
      "Singleflight { running: 0, executions: 0, shared: 0, hits: 0 }",
      'Singleflight "mails" { running: 0, executions: 0, shared: 0, hits: 0 }',
    ],
    alone: true,
  },
  {
    name: "Every stream shows its stats, and hides its internals [7.13]",
    run() {
      const show = (globalThis as Host).Deno?.inspect ?? inspect;
      for (const [owner, object] of Object.entries(made)) {
        const expected = `${owner} "${name}" ${JSON.stringify(object.stats ?? {})}`;
        const text = show(object);
        console.log(owner, bare(text) === bare(expected) ? "as expected" : text);
      }
    },
    prints: Object.keys(made).map((owner) => `${owner} as expected`) as [string],
  },
];
