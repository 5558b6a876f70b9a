/** Starts the processes of a schedule, applies its faults, and ends them. */

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

/** The arguments of all processes of a schedule. Their logs are in the directory `log`. */
export type Common = Omit<Settings, "url" | "name" | "batches">;

/** Prepares the processes before the clock runs: bundles, and missing runtimes. */
export async function prepare(): Promise<void> {
  for (const runtime of ["deno", "bun", "node"] as const) await command(runtime, WORKER);
}

/** The processes of a schedule, and their faults. */
export class Cast {
  readonly history: BrokerEvent[] = [];
  readonly #server: NatsServer;
  readonly #settings: Common;
  readonly #slots: Array<{ name: string; child: Child }> = [];
  /** The faults of a process or of the server, one after the other. */
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

  /** Processes that were told to end. */
  readonly #leaving: Array<{ name: string; child: Child }> = [];

  /** Ends all processes, and reports those that ended with an error. */
  async end(): Promise<string[]> {
    for (const { child } of this.#slots) child.signal("SIGTERM");
    const complaints: string[] = [];
    for (const { name, child } of [...this.#slots, ...this.#leaving]) {
      const code = await inTime(10_000, child.ended).catch((error) => error);
      // 143 means SIGTERM before the process could handle it.
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

/** Resolves after `ms` milliseconds. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(() => resolve(), ms));
}

/** The same promise, which rejects if it has not settled after `ms` milliseconds. */
export async function inTime<T>(ms: number, promise: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`not ended after ${ms / 1000} s`)), ms);
  return await Promise.race([promise, late.promise]).finally(() => clearTimeout(timer));
}
