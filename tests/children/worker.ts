/** A worker whose requests share flights: two ask for the same at once, and each says what it got. */

import { type FlightCallOptions, Singleflight } from "../../mod.ts";

type Bytes = Uint8Array<ArrayBuffer>;
type Flight = Singleflight<string, Bytes>;
type Fly = (flight: Flight, options: FlightCallOptions | undefined) => Promise<unknown>;

/** What the two of them do; the second of them is told that it is. */
interface Way {
  readonly flight: Flight;
  readonly fly: (request: Request, second: boolean) => Promise<unknown>;
}

const wait = () => new Promise((resolve) => setTimeout(resolve, 1));

/** The second has come before this settles. */
async function joined(flight: Flight): Promise<Bytes> {
  while (flight.stats.shared === 0) await wait();
  await wait();
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
  };
}

const clone = (bytes: Bytes) => bytes.slice();
const use: Fly = (flight, options) => flight.do("k", () => joined(flight), options);
const detailed: Fly = (flight, options) => flight.doShared("k", () => joined(flight), options);
const failing: Fly = (flight, options) => flight.do("k", () => fails(flight), options);

/** One leaves while the other stays. */
function leaving(secondLeaves: boolean): Way {
  const flight: Flight = new Singleflight();
  let left = false;
  const fn = async () => {
    while (!left) await wait();
    return await joined(flight);
  };
  return {
    flight,
    async fly(_, second) {
      const leaver = new AbortController();
      const call = flight.do("k", fn, { signal: leaver.signal });
      if (second !== secondLeaves) return await call;
      while (flight.stats.shared === 0) await wait();
      leaver.abort(new Error("left"));
      left = true;
      const told = await call.catch((error) => error);
      // The function runs in the request of the first.
      while (flight.stats.running > 0) await wait();
      throw told;
    },
  };
}

/** The second settles what the first has started. */
function released(): Way {
  let release!: (bytes: Bytes) => void;
  const flight: Flight = new Singleflight({ clone });
  const fn = () => new Promise<Bytes>((resolve) => release = resolve);
  return {
    flight,
    async fly(_, second) {
      const call = flight.doShared("k", fn);
      if (second) release(new Uint8Array([1, 2, 3]));
      return await call;
    },
  };
}

/** All of them, each at the top of the module: the requests share it. */
const ways: Record<string, Way> = {
  "do": way(use, false),
  "do with a signal": way(use, true),
  "doShared": way(detailed, false),
  "doShared with a signal": way(detailed, true),
  "clone": way(use, false, new Singleflight({ clone })),
  "clone and cache": way(use, false, new Singleflight({ clone, cache: new Map() })),
  "do that fails": way(failing, false),
  "do with a signal that fails": way(failing, true),
  "the second leaves": leaving(true),
  "the first leaves": leaving(false),
  "the second settles it": released(),
};

export default {
  async fetch(request: Request): Promise<Response> {
    const name = decodeURIComponent(new URL(request.url).pathname.slice(1));
    const { flight, fly } = ways[name]!;
    const second = flight.size > 0;
    try {
      return Response.json({ second, value: await fly(request, second) });
    } catch (error) {
      return Response.json({ second, error: String(error) });
    }
  },
};
