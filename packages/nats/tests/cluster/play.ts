/** Plays a schedule with real processes and a real server, and says what its history holds. */

import { AckPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { connect } from "@nats-io/transport-node";
import {
  Child,
  command,
  NatsServer,
  type Runtime,
} from "../../../../examples/cluster/processes.ts";
import { RateLimit } from "../../../../mod.ts";
import { type BrokerEvent, check, type HistoryReport } from "../../memory.ts";
import { JetStreamSink } from "../../mod.ts";
import { type Fault, POISON, type Schedule } from "./schedule.ts";
import type { Settings } from "./schedule_worker.ts";

const WORKER = "packages/nats/tests/cluster/schedule_worker.ts";
const STREAM = "TASKS";
const CONSUMER = "all";
/** In milliseconds. */
const ACK_WAIT = 1000;
const MAX_DELIVERIES = 8;
/** What the checker may assume: see `CheckOptions`. */
const RULES = { ackWait: ACK_WAIT / 2, reach: 1000 };
/** When a schedule that has not ended never will, in milliseconds. */
const PATIENCE = 60_000;

/** What came of a schedule. */
export interface Played extends HistoryReport {
  readonly seed: number;
  readonly executions: number;
  /** How many messages were given up. */
  readonly poison: number;
  readonly seconds: number;
  /** What is wrong; nothing, if all is well. */
  readonly complaints: readonly string[];
  /** Where the history is, if something is wrong. */
  readonly directory?: string;
}

/** Makes what the processes need before the clock runs: bundles, and runtimes that are not there yet. */
export async function prepare(): Promise<void> {
  for (const runtime of ["deno", "bun", "node"] as const) await command(runtime, WORKER);
}

/** Plays a schedule. */
export async function play(schedule: Schedule): Promise<Played> {
  const start = performance.now();
  const directory = await Deno.makeTempDir({ prefix: "weir-schedule-" });
  const complaints: string[] = [];
  await using server = await NatsServer.start();
  const connection = await connect({ servers: server.url, ...RECONNECT });
  await createStream(connection);
  const cast = new Cast(server, directory);
  try {
    await Promise.all(schedule.runtimes.map((runtime, slot) => cast.start(slot, runtime)));
    const all = [
      publish(connection, schedule, cast),
      ...schedule.faults.map((each) => cast.suffer(each)),
    ];
    await inTime(PATIENCE, Promise.all(all).then(() => drained(connection)));
    complaints.push(...await cast.end());
    const { streams } = await jetstreamManager(connection);
    const { messages } = (await streams.info(STREAM)).state;
    if (messages !== schedule.tasks.length) complaints.push(`${messages} messages are stored`);
  } catch (error) {
    complaints.push(`${error}`);
  } finally {
    await cast.kill();
    await connection.close();
  }
  const history = [...cast.history, ...await readLogs(directory)];
  await Deno.writeTextFile(`${directory}/driver.json`, JSON.stringify(cast.history));
  const report = check(history, RULES);
  const poison = history.filter(({ reason }) => reason === POISON);
  complaints.push(...judge(schedule, report, poison));
  const executions = history.filter(({ kind }) => kind === "taken").length;
  const seconds = (performance.now() - start) / 1000;
  const played = {
    ...report,
    seed: schedule.seed,
    executions,
    seconds,
    complaints,
    poison: new Set(poison.map(({ id }) => id)).size,
  };
  if (complaints.length > 0) return { ...played, directory };
  await Deno.remove(directory, { recursive: true });
  return played;
}

const RECONNECT = { maxReconnectAttempts: -1, reconnectTimeWait: 100, reconnectJitter: 0 };

async function createStream(connection: NatsConnection): Promise<void> {
  const { streams, consumers } = await jetstreamManager(connection);
  await streams.add({ name: STREAM, subjects: ["tasks"] });
  await consumers.add(STREAM, {
    durable_name: CONSUMER,
    ack_policy: AckPolicy.Explicit,
    ack_wait: ACK_WAIT * 1e6,
    max_ack_pending: 10_000,
  });
}

async function publish(
  connection: NatsConnection,
  { tasks }: Schedule,
  cast: Cast,
): Promise<void> {
  // So that it goes on while things go wrong.
  const rate = new RateLimit({ limit: Math.ceil(tasks.length / 40), interval: 100 });
  const sink = new JetStreamSink(jetstream(connection), { timeout: 1000, rate });
  await Promise.all(tasks.map(async (task) => {
    await sink.push({ subject: "tasks", data: JSON.stringify(task), msgID: task.id });
    cast.tell({ kind: "published", id: task.id });
  }));
  await sink.close();
}

/** Resolves when the server has nothing left for anybody. */
async function drained(connection: NatsConnection): Promise<void> {
  for (;;) {
    const { consumers } = await jetstreamManager(connection);
    const { num_pending, num_ack_pending } = await consumers.info(STREAM, CONSUMER);
    if (num_pending + num_ack_pending === 0) return;
    await sleep(100);
  }
}

/** The processes of a schedule, and what happens to them. */
class Cast {
  readonly history: BrokerEvent[] = [];
  readonly #server: NatsServer;
  readonly #directory: string;
  readonly #slots: Array<{ name: string; child: Child }> = [];
  /** What is done to a process, or to the server, one after the other. */
  readonly #turns = new Map<number | "server", Promise<void>>();
  #started = 0;

  constructor(server: NatsServer, directory: string) {
    this.#server = server;
    this.#directory = directory;
  }

  tell(event: Omit<BrokerEvent, "at">): void {
    this.history.push({ at: Date.now(), ...event });
  }

  async start(slot: number, runtime: Runtime): Promise<void> {
    const name = `${++this.#started}-${runtime}`;
    const settings: Settings = {
      url: this.#server.url,
      name,
      log: `${this.#directory}/${name}.log`,
      stream: STREAM,
      consumer: CONSUMER,
      batches: this.#started % 2 === 0,
      ackWait: ACK_WAIT,
      maxDeliveries: MAX_DELIVERIES,
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

function judge(
  { tasks }: Schedule,
  report: HistoryReport,
  given: readonly BrokerEvent[],
): string[] {
  const { lost, unpublished, unexplained, published } = report;
  const complaints: string[] = [];
  if (published !== tasks.length) complaints.push(`${published} of ${tasks.length} were published`);
  if (lost.length > 0) complaints.push(`lost: ${lost}`);
  if (unpublished.length > 0) complaints.push(`published by nobody: ${unpublished}`);
  if (unexplained.length > 0) {
    const first = JSON.stringify(unexplained[0]);
    complaints.push(`${unexplained.length} came again for no reason, the first: ${first}`);
  }
  const poison = tasks.filter(({ kind }) => kind === "poison").map(({ id }) => id);
  const givenUp = [...new Set(given.map(({ id }) => id))];
  if (`${givenUp}` !== `${poison}`) complaints.push(`poison: ${poison}; given up: ${givenUp}`);
  const early = given.filter(({ deliveries }) => !(deliveries! >= MAX_DELIVERIES));
  if (early.length > 0) complaints.push(`given up too early: ${JSON.stringify(early)}`);
  return complaints;
}

async function readLogs(directory: string): Promise<BrokerEvent[]> {
  const events: BrokerEvent[] = [];
  for await (const { name } of Deno.readDir(directory)) {
    const lines = (await Deno.readTextFile(`${directory}/${name}`)).split("\n");
    // What a killed process was in the middle of is no line.
    for (const line of lines.slice(0, -1)) events.push(JSON.parse(line));
  }
  return events;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(() => resolve(), ms));
}

async function inTime<T>(ms: number, promise: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`not ended after ${ms / 1000} s`)), ms);
  return await Promise.race([promise, late.promise]).finally(() => clearTimeout(timer));
}
