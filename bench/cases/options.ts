/** Measures what an option of a sink costs per item, compared with the same sink without it. */

import { Fanout, type FanoutOptions, RateLimit } from "../../mod.ts";
import { bursts, type Case, type Group, none } from "../harness.ts";

const SIXTEEN = { concurrency: 16 };

/** The way to add an item. */
type Bring = (fanout: Fanout<number, void>, item: number) => unknown;

const tryPush: Bring = (fanout, item) => fanout.tryPush(item);
const { signal } = new AbortController();

const using: Readonly<Record<string, FanoutOptions<number>>> = {
  "Fanout.tryPush": {},
  "with key": { key: (i) => i & 255 },
  "with key and keyCapacity": { key: (i) => i & 255, keyCapacity: 1024 },
  "with weigh and capacityWeight": { weigh: () => 1, capacityWeight: 4096 },
  "with timeout": { timeout: 1000 },
  "with maxWait": { maxWait: 1000 },
  "with retry": { retry: () => 100 },
  "with rate": { rate: new RateLimit({ limit: 100_000, interval: 1 }) },
  "with snapshot": { snapshot: () => (run) => run() },
  "with onError and onDiscard": { onError: () => {}, onDiscard: () => {} },
};

const bringing: Readonly<Record<string, Bring>> = {
  "push": (fanout, item) => fanout.push(item),
  "push, with signal": (fanout, item) => fanout.push(item, { signal }),
  "trySubmit": (fanout, item) => fanout.trySubmit(item),
  "submit": (fanout, item) => fanout.submit(item),
  "submit, with signal": (fanout, item) => fanout.submit(item, { signal }),
};

function brought(name: string, options: FanoutOptions<number>, bring: Bring): Case {
  return {
    kind: "weir",
    name,
    run: async (n) => {
      let count = 0;
      const fanout = new Fanout<number, void>(() => {
        count++;
        return none();
      }, { ...SIXTEEN, ...options });
      for (const [from, to] of bursts(n)) {
        for (let i = from; i < to; i++) bring(fanout, i);
        await fanout.idle();
      }
      await fanout.close();
      return count;
    },
  };
}

export const options: Group = {
  name: "options",
  n: 20_000,
  cases: [
    ...Object.entries(using).map(([name, given]) => brought(name, given, tryPush)),
    ...Object.entries(bringing).map(([name, bring]) => brought(`Fanout.${name}`, {}, bring)),
  ],
};
