/** The processes of a schedule: they start, suffer its faults, and end. */

import {
  Child,
  command,
  type NatsServer,
  type Runtime,
} from "../../../../examples/cluster/processes.ts";
import type { BrokerEvent } from "../../memory.ts";
import type { Fault } from "./schedule.ts";
import type { Settings } from "./schedule_worker.ts";

const WORKER = "packages/nats/tests/cluster/schedule_worker.ts";

/** What all processes of a schedule are started with. Their logs are in the directory `log`. */
export type Common = Omit<Settings, "url" | "name" | "batches">;

/** Makes what the processes need before the clock runs: bundles, and runtimes that are not there yet. */
export async function prepare(): Promise<void> {
  for (const runtime of ["deno", "bun", "node"] as const) await command(runtime, WORKER);
}

/** The processes of a schedule, and what happens to them. */
export class Cast {
  readonly history: BrokerEvent[] = [];
  readonly #server: NatsServer;
  readonly #settings: Common;
  readonly #slots: Array<{ name: string; child: Child }> = [];
  /** What is done to a process, or to the server, one after the other. */
  readonly #turns = new Map<number | "server", Promise<void>>();
  #started = 0;

  constructor(server: NatsServer, settings: Common) {
    this.#server = server;
    this.#settings = settings;
  }

  tell(event: Omit<BrokerEvent, "at">): void {
    this.history.push({ at: Date.now(), ...event });
  }

  async start(slot: number, runtime: Runtime): Promise<void> {
    const name = `${++this.#started}-${runtime}`;
    const settings: Settings = {
      ...this.#settings,
      url: this.#server.url,
      name,
      log: `${this.#settings.log}/${name}.log`,
      batches: this.#started % 2 === 0,
    };
    const child = new Child([...await command(runtime, WORKER), JSON.stringify(settings)]);
    this.#slots[slot] = { name, child };
  }

  async suffer(fault: Fault): Promise<void> {
    await sleep(fault.at);
    const whom = fault.kind.endsWith("server") ? "server" : fault.slot;
    const turn = (this.#turns.get(whom) ?? Promise.resolve()).then(() => this.#happen(fault));
    this.#turns.set(whom, turn);
    await turn;
  }

  async #happen({ kind, slot, duration, runtime }: Fault): Promise<void> {
    const { name: consumer, child } = this.#slots[slot]!;
    if (kind === "kill") {
      await child.kill();
      this.tell({ kind: "crashed", consumer });
      await this.start(slot, runtime);
    } else if (kind === "stop") {
      child.signal("SIGTERM");
      await this.start(slot, runtime);
      this.#leaving.push({ name: consumer, child });
    } else if (kind === "pause") {
      this.tell({ kind: "paused", consumer });
      child.signal("SIGSTOP");
      await sleep(duration);
      child.signal("SIGCONT");
      this.tell({ kind: "resumed", consumer });
    } else {
      this.tell({ kind: "stopped" });
      if (kind === "kill server") await this.#server.kill();
      else this.#server.signal("SIGSTOP");
      await sleep(duration);
      if (kind === "kill server") await this.#server.start();
      else this.#server.signal("SIGCONT");
      this.tell({ kind: "restarted" });
    }
  }

  /** Those that were told to end. */
  readonly #leaving: Array<{ name: string; child: Child }> = [];

  /** Ends all, and says who has not ended well. */
  async end(): Promise<string[]> {
    for (const { child } of this.#slots) child.signal("SIGTERM");
    const complaints: string[] = [];
    for (const { name, child } of [...this.#slots, ...this.#leaving]) {
      const code = await inTime(10_000, child.ended).catch((error) => error);
      // 143 is SIGTERM, before it could hear of it.
      if (code !== 0 && code !== 143) {
        complaints.push(`${name} has not ended well: ${code}\n${child.errors}`);
      }
    }
    return complaints;
  }

  async kill(): Promise<void> {
    await Promise.all([...this.#slots, ...this.#leaving].map(({ child }) => child.kill()));
  }
}

/** Resolves after so many milliseconds. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(() => resolve(), ms));
}

/** The same promise, which rejects if it has not settled after so many milliseconds. */
export async function inTime<T>(ms: number, promise: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`not ended after ${ms / 1000} s`)), ms);
  return await Promise.race([promise, late.promise]).finally(() => clearTimeout(timer));
}
