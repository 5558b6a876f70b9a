/** A worker whose requests share flights: several call at once, and each returns its result. */

import { type FlightCallOptions, Singleflight } from "../../mod.ts";

type Bytes = Uint8Array<ArrayBuffer>;
type Flight = Singleflight<string, Bytes>;
type Fly = (flight: Flight, options: FlightCallOptions | undefined) => Promise<unknown>;

interface Context {
  waitUntil(promise: Promise<unknown>): void;
}

/** The work of each request. `place` is the number of earlier callers of the flight. */
interface Way {
  readonly flight: Flight;
  readonly fly: (place: number, context: Context) => Promise<unknown>;
  came: number;
}

const wait = () => new Promise((resolve) => setTimeout(resolve, 1));

/** The others have joined before this settles. */
async function joined(flight: Flight, others = 1): Promise<Bytes> {
  while (flight.stats.shared < others) await wait();
  for (let turns = 0; turns < 20; turns++) await wait();
  return new Uint8Array([1, 2, 3]);
}

async function fails(flight: Flight): Promise<Bytes> {
  await joined(flight);
  throw new Error("down");
}

function way(fly: Fly, signalled: boolean, flight: Flight = new Singleflight()): Way {
  return {
    flight,
    fly: () => fly(flight, signalled ? { signal: new AbortController().signal } : undefined),
    came: 0,
  };
}

const clone = (bytes: Bytes) => bytes.slice();
const use: Fly = (flight, options) => flight.do("k", () => joined(flight), options);
const three: Fly = (flight, options) => flight.do("k", () => joined(flight, 2), options);
const detailed: Fly = (flight, options) => flight.doShared("k", () => joined(flight), options);
const failing: Fly = (flight, options) => flight.do("k", () => fails(flight), options);

/** One leaves while the others stay: at once, or when its request must end before the flight does. */
function leaving(leaver: number, others: number, stays: boolean): Way {
  const flight: Flight = new Singleflight();
  let left = false;
  const fn = async () => {
    while (!left) await wait();
    return await joined(flight, others);
  };
  return {
    flight,
    async fly(place) {
      const controller = new AbortController();
      const call = flight.do("k", fn, { signal: controller.signal });
      if (place !== leaver) return await call;
      while (flight.stats.shared < others) await wait();
      controller.abort(new Error("left"));
      left = true;
      const told = await call.catch((error) => error);
      // The function runs in the request of the first.
      while (stays && flight.stats.running > 0) await wait();
      throw told;
    },
    came: 0,
  };
}

/** The request of the first ends while the function runs in it. */
function ending(kept: boolean, signal: () => AbortSignal | undefined): Way {
  const flight: Flight = new Singleflight({ forgetAfter: 1000 });
  let ended = false;
  return {
    flight,
    async fly(place, context) {
      const call = flight.do("k", async () => {
        // The next one starts a separate flight, and no other request joins it.
        if (place > 1) return new Uint8Array([4]);
        while (!ended) await wait();
        return await joined(flight);
      }, { signal: signal() });
      if (place > 0) return await call;
      while (flight.stats.shared === 0) await wait();
      ended = true;
      if (kept) context.waitUntil(call);
      else call.catch(() => {});
      return "ended";
    },
    came: 0,
  };
}

/** The second request settles the execution that the first has started. */
function released(): Way {
  let release!: (bytes: Bytes) => void;
  const flight: Flight = new Singleflight({ clone });
  const fn = () => new Promise<Bytes>((resolve) => release = resolve);
  return {
    flight,
    async fly(place) {
      const call = flight.doShared("k", fn);
      if (place === 1) release(new Uint8Array([1, 2, 3]));
      // workerd ends a request that waits without any own work in progress.
      while (flight.stats.running > 0) await wait();
      return await call;
    },
    came: 0,
  };
}

/** All cases, each at the top of the module, so that the requests share it. */
const ways: Record<string, Way> = {
  "do": way(use, false),
  "do with a signal": way(use, true),
  "doShared": way(detailed, false),
  "doShared with a signal": way(detailed, true),
  "clone": way(use, false, new Singleflight({ clone })),
  "clone and cache": way(use, false, new Singleflight({ clone, cache: new Map() })),
  "do that fails": way(failing, false),
  "do with a signal that fails": way(failing, true),
  "the second leaves": leaving(1, 1, true),
  "the first leaves": leaving(0, 1, true),
  "three": way(three, false),
  "three with a signal": way(three, true),
  "three, and the request of the second ends first": leaving(1, 2, false),
  "the first request ends first, under waitUntil": ending(true, () => undefined),
  "the first request ends first": ending(false, () => undefined),
  "the first request ends first, and the second has a signal": ending(
    false,
    () => AbortSignal.timeout(100),
  ),
  "the second settles it": released(),
};

export default {
  async fetch(request: Request, _env: unknown, context: Context): Promise<Response> {
    const name = decodeURIComponent(new URL(request.url).pathname.slice(1));
    const way = ways[name]!;
    const place = way.came++;
    try {
      return Response.json({ place, value: await way.fly(place, context) });
    } catch (error) {
      return Response.json({ place, error: String(error) });
    }
  },
};
