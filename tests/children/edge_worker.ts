/**
 * The Workers of `examples/edge`, in the roles that a test gives them. They report the number of
 * requests. The role `front` is a client that leaves.
 */

import aggregate, {
  Counters as Stored,
  type Env as Aggregate,
} from "../../examples/edge/aggregate.ts";
import coalesce, { type Env as Coalesce } from "../../examples/edge/coalesce.ts";
import type {
  DurableObjectState,
  DurableObjectStorage,
  ExecutionContext,
} from "../../examples/edge/workers.ts";

interface Service {
  fetch(request: Request, init?: RequestInit): Promise<Response>;
}

type Env = Aggregate & Coalesce & {
  readonly ROLE: "coalesce" | "aggregate" | "front";
  readonly BACK: Service;
};

interface State extends DurableObjectState {
  abort(reason: string): void;
}

/** The bindings of a Worker, or of its Durable Objects. */
let came = 0;
let transactions = 0;

/** Counts requests and stored changes, and may end at once. */
export class Counters extends Stored {
  readonly #state: State;

  constructor(state: State, env: Aggregate) {
    super({ storage: counted(state.storage) }, env);
    this.#state = state;
  }

  override fetch(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (pathname === "/end") this.#state.abort("its time has come");
    if (pathname === "/counts") return Promise.resolve(Response.json({ came, transactions }));
    came++;
    return super.fetch(request);
  }
}

function counted(storage: DurableObjectStorage): DurableObjectStorage {
  return {
    sql: storage.sql,
    transactionSync: (transaction) => {
      transactions++;
      return storage.transactionSync(transaction);
    },
  };
}

/** Calls the other Worker, and leaves when the origin says so. */
async function leave(request: Request, back: Service): Promise<Response> {
  const client = new AbortController();
  const asked = back.fetch(request, { signal: client.signal });
  asked.catch(() => {});
  await (await fetch("http://origin/leave")).text();
  client.abort(new Error("left"));
  return new Response(await asked.then(({ status }) => `${status}`, String));
}

export default {
  async fetch(request: Request, env: Env, context: ExecutionContext): Promise<Response> {
    if (env.ROLE === "front") return await leave(request, env.BACK);
    if (env.ROLE === "aggregate") return await aggregate.fetch(request, env);
    if (new URL(request.url).pathname === "/counts") return Response.json({ came });
    came++;
    return await coalesce.fetch(request, env, context);
  },
};
