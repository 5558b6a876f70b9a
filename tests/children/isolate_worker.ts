/** A Worker and a Durable Object whose requests share objects, allowed ones and others. */

import {
  Aggregator,
  backoff,
  BatchStream,
  ChunkStream,
  Fanout,
  FixedChunkStream,
  MapStream,
  RateLimit,
  Singleflight,
  throttle,
  ThrottleStream,
} from "../../mod.ts";
import { coalesced } from "../../examples/recipes/responses.ts";

const wait = () => new Promise((resolve) => setTimeout(resolve, 1));

/** Constructs each of our classes, and objects that the platform forbids at the top of a module. */
const makers: Record<string, () => unknown> = {
  Singleflight: () => new Singleflight({ cache: new Map(), forgetAfter: 10 }),
  "Singleflight.wrap": () => Singleflight.wrap((n: number) => n, { key: (n) => n }),
  RateLimit: () => new RateLimit({ limit: 1, interval: 1000 }),
  backoff: () => backoff(),
  throttle: () => throttle(() => {}, { interval: 10 }),
  Fanout: () => new Fanout(() => {}),
  Aggregator: () => new Aggregator(() => {}),
  BatchStream: () => new BatchStream({ maxItems: 10, linger: 10 }),
  ChunkStream: () => new ChunkStream({ maxBytes: 10 }),
  FixedChunkStream: () => new FixedChunkStream({ size: 10 }),
  MapStream: () => new MapStream((n: number) => n),
  ThrottleStream: () => new ThrottleStream({ interval: 10 }),
  "a timer": () => clearTimeout(setTimeout(() => {}, 1)),
  "a call that is throttled": () => throttle(() => {}, { interval: 10, edge: "trailing" })(),
};

function madeNow(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(makers).map(([name, make]) => {
      try {
        make();
        return [name, "made"];
      } catch (error) {
        return [name, String(error)];
      }
    }),
  );
}

const atTheTop = madeNow();

/** Three requests have come before a handler ends. */
const THREE = 3;

/** The shared object, made by the first request. */
class Shared {
  readonly #rate: RateLimit;
  readonly #flights: Record<string, Singleflight<string, number>> = {
    "Singleflight.do": new Singleflight(),
    "Singleflight.do with a signal": new Singleflight(),
    "Singleflight.doShared": new Singleflight(),
    "Singleflight with clone": new Singleflight({ clone: (n) => n }),
    "Singleflight with cache": new Singleflight({ cache: new Map() }),
  };
  readonly #made = new Map<string, Fanout<number> | Aggregator<number>>();

  /** `interval` is the interval of its rate, in milliseconds. */
  constructor(interval: number) {
    this.#rate = new RateLimit({ limit: 1, interval });
  }

  async submit(name: string): Promise<unknown> {
    const flights = this.#flights[name];
    if (flights) return await fly(flights, name);
    if (name === "RateLimit") {
      return await new Fanout((n: number) => n, { rate: this.#rate }).submit(1);
    }
    const sink = this.#made.get(name) ?? this.#make(name);
    return await sink.submit(1);
  }

  #make(name: string): Fanout<number> | Aggregator<number> {
    const three = async <T>(given: T): Promise<T> => {
      while (sink.stats.accepted < THREE) await wait();
      return given;
    };
    const sinks: Record<string, () => Fanout<number> | Aggregator<number>> = {
      "Fanout with free slots": () => new Fanout(three<number>, { concurrency: THREE }),
      "Fanout at its concurrency": () => new Fanout(three<number>),
      "Aggregator, linger 0": () => new Aggregator(three<number[]>, { linger: 0 }),
      "Aggregator, linger 50": () => new Aggregator(three<number[]>, { linger: 50 }),
    };
    const sink = sinks[name]!();
    this.#made.set(name, sink);
    return sink;
  }
}

function fly(flights: Singleflight<string, number>, name: string): Promise<unknown> {
  const three = async () => {
    while (flights.stats.shared < THREE - 1) await wait();
    return 1;
  };
  if (name.endsWith("doShared")) return flights.doShared("k", three);
  const { signal } = new AbortController();
  return flights.do("k", three, name.endsWith("signal") ? { signal } : undefined);
}

async function answer(request: Request, shared: Shared): Promise<Response> {
  const name = decodeURIComponent(new URL(request.url).pathname.slice("/shared/".length));
  return Response.json(await shared.submit(name));
}

/** Its requests share the object in one context. */
export class Room {
  readonly #shared = new Shared(20);
  fetch(request: Request): Promise<Response> {
    return answer(request, this.#shared);
  }
}

interface Env {
  readonly ROOM: {
    idFromName(name: string): unknown;
    get(id: unknown): { fetch(request: Request): Promise<Response> };
  };
}

// All requests come within the interval.
const shared = new Shared(1000);
const calls: string[] = [];
const leading = throttle((call: string) => void calls.push(call), { interval: 60_000 });
const trailing = throttle((call: string) => void calls.push(call), {
  interval: 1,
  edge: "trailing",
});

/** A response that one request keeps for others, and the recipe that shares its bytes. */
const get = coalesced();
let came = 0;
let response: Response | undefined;

export default {
  async fetch(request: Request, { ROOM }: Env): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/top") return Response.json(atTheTop);
    if (pathname === "/request") return Response.json(madeNow());
    if (pathname === "/throttle") {
      if (calls.length === 0) trailing("trailing");
      leading("leading");
      return new Response();
    }
    if (pathname === "/calls") {
      // Longer than the interval.
      for (let turns = 0; turns < 50; turns++) await wait();
      return Response.json(calls);
    }
    if (pathname === "/came") return Response.json(came);
    if (pathname === "/recipe") {
      came++;
      return await get(searchParams.get("of")!);
    }
    if (pathname === "/response") {
      response ??= await fetch(searchParams.get("of")!);
      try {
        return Response.json(await response.clone().text());
      } catch (error) {
        return Response.json(String(error));
      }
    }
    if (searchParams.has("object")) return await ROOM.get(ROOM.idFromName("one")).fetch(request);
    return await answer(request, shared);
  },
};
