/** Plays a schedule with real processes and a real server, and checks its history. */

import { AckPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { connect } from "@nats-io/transport-node";
import { NatsServer } from "../../../../examples/cluster/processes.ts";
import { RateLimit } from "../../../../mod.ts";
import { type BrokerEvent, check, type HistoryReport } from "../../memory.ts";
import { JetStreamSink } from "../../mod.ts";
import { Cast, inTime, sleep } from "./cast.ts";
import { POISON, type Schedule } from "./schedule.ts";

const STREAM = "TASKS";
const CONSUMER = "all";
/** In milliseconds. */
const ACK_WAIT = 1000;
const MAX_DELIVERIES = 8;
/** The assumptions of the checker, see `CheckOptions`. */
const RULES = { ackWait: ACK_WAIT / 2, reach: 1000 };
/** The time limit of a schedule, in milliseconds. */
const PATIENCE = 60_000;

/** The outcome of a schedule. */
export interface Played extends HistoryReport {
  readonly seed: number;
  readonly executions: number;
  /** The number of messages that were given up. */
  readonly poison: number;
  readonly seconds: number;
  /** The problems; empty if there are none. */
  readonly complaints: readonly string[];
  /** The path of the history, if there is a problem. */
  readonly directory?: string;
}

/** Plays a schedule. */
export async function play(schedule: Schedule): Promise<Played> {
  const start = performance.now();
  const directory = await Deno.makeTempDir({ prefix: "weir-schedule-" });
  const complaints: string[] = [];
  await using server = await NatsServer.start();
  const connection = await connect({ servers: server.url, ...RECONNECT });
  await createStream(connection);
  const cast = new Cast(server, {
    log: directory,
    stream: STREAM,
    consumer: CONSUMER,
    ackWait: ACK_WAIT,
    maxDeliveries: MAX_DELIVERIES,
  });
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

const RECONNECT = {
  maxReconnectAttempts: -1,
  reconnectTimeWait: 100,
  reconnectJitter: 0,
  // A client waits this long if the server is killed while it connects. The default is 20 s.
  timeout: 2000,
};

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
  // So that it goes on during faults.
  const rate = new RateLimit({ limit: Math.ceil(tasks.length / 40), interval: 100 });
  const sink = new JetStreamSink(jetstream(connection), { timeout: 1000, rate });
  await Promise.all(tasks.map(async (task) => {
    await sink.submit({ subject: "tasks", data: JSON.stringify(task), msgID: task.id });
    cast.tell({ kind: "published", id: task.id });
  }));
  await sink.close();
}

/** Resolves when the server has no messages left. */
async function drained(connection: NatsConnection): Promise<void> {
  while (!connection.isClosed()) {
    try {
      const { consumers } = await jetstreamManager(connection);
      const { num_pending, num_ack_pending } = await consumers.info(STREAM, CONSUMER);
      if (num_pending + num_ack_pending === 0) return;
    } catch {
      // The server is away, so this asks again.
    }
    await sleep(100);
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
  if (unpublished.length > 0) complaints.push(`never published: ${unpublished}`);
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
    // A killed process may leave an incomplete line.
    for (const line of lines.slice(0, -1)) events.push(JSON.parse(line));
  }
  return events;
}
