/** Why mutants that survive are no hole in the tests. */

/** A reason, and the survivors that it is the reason of. */
export interface Reason {
  readonly reason: string;
  readonly mutants: readonly Excused[];
}

/** As the page names it. */
export type Excused = readonly [file: string, before: string, after: string];

/** The reasons, in the order of the page. */
export const reasons: readonly Reason[] = [
  {
    reason: "The same by a longer way: it only costs time or memory",
    mutants: [
      ["src/core/work/work_queue.ts", "snapshot", "true"],
      ["src/core/work/work_queue.ts", "failures", "true"],
      [
        "src/core/work/work_queue.ts",
        'this.#state === "open" && !this.#waiters.head && !this.#batches?.size',
        "false",
      ],
      ["src/core/work/batch_table.ts", "this.#options.asking", "true"],
      ["src/core/work/batch_table.ts", "this.#options.keeping", "true"],
      ["src/core/work/batch_table.ts", "closed || !host.hasRoom(key)", "true"],
      ["src/core/work/batch_table.ts", "!pool.idle", "false"],
      ["src/aggregator.ts", "(collector ?? weigh) !== undefined", "true"],
      [
        "src/aggregator.ts",
        "collector !== undefined && checked.onDiscard !== undefined",
        "true",
      ],
      [
        "src/aggregator.ts",
        "collector !== undefined && checked.onDiscard !== undefined",
        "collector !== undefined || checked.onDiscard !== undefined",
      ],
      ["src/aggregator.ts", "collector !== undefined", "true"],
      ["src/aggregator.ts", "checked.onDiscard !== undefined", "true"],
      [
        "src/core/stage/fixed_chunk_stage.ts",
        "{ this.#piece = undefined; this.#rest = NOTHING; }",
        "{}",
      ],
      ["src/singleflight.ts", "options === undefined", "false"],
      ["src/singleflight.ts", 'typeof fn !== "function"', "true"],
      ["src/singleflight.ts", '"function"', '""'],
      [
        "src/core/batch/item_collector.ts",
        'typeof weight !== "number" || !isWeight(weight)',
        "true",
      ],
      ["src/core/batch/item_collector.ts", '"number"', '""'],
      [
        "src/singleflight.ts",
        "detailed || signal !== undefined || this.#clone !== undefined",
        "true",
      ],
      ["src/core/work/batch_table.ts", "closed || !this.hasRoom()", "true"],
      ["src/core/work/batch_table.ts", "this.#asking", "true"],
      ["src/core/work/batch_table.ts", "this.#open.size > 0", "true"],
      ["src/core/work/batch_table.ts", "this.#open.size > 0", "this.#open.size >= 0"],
      ["src/core/work/batch_table.ts", "!this.pool.idle", "false"],
      ["src/core/work/batch_table.ts", "this.#single", "false"],
      // Where no batch was closed: the pool looks once more.
      ["src/core/work/batch_table.ts", "false", "true"],
      ["src/core/batch/batch_buffer.ts", "duration > 0", "duration >= 0"],
      // The timer is set more often than it has to be, goes a little later, or fires for nothing.
      [
        "src/core/shared/timeout_queue.ts",
        "!this.#timer || (before === this.#ring && after !== this.#ring)",
        "true",
      ],
      [
        "src/core/shared/timeout_queue.ts",
        "before === this.#ring && after !== this.#ring",
        "before === this.#ring || after !== this.#ring",
      ],
      ["src/core/shared/timeout_queue.ts", "before === this.#ring", "true"],
      ["src/core/shared/timeout_queue.ts", "after !== this.#ring", "true"],
      ["src/core/shared/timeout_queue.ts", "!this.#empty || !this.#timer", "false"],
      [
        "src/core/shared/timeout_queue.ts",
        "!this.#empty || !this.#timer",
        "!this.#empty && !this.#timer",
      ],
      ["src/core/shared/timeout_queue.ts", "!this.#empty", "true"],
      // Only the first call of a timer function in a process runs microtasks, and only in Deno.
      ["src/core/shared/timeout_queue.ts", "this.#rest();", ";"],
      ["src/core/flight/call.ts", "!this.#callers", "false"],
      ["src/core/batch/byte_length.ts", "index < text.length", "index <= text.length"],
      // It looks once more.
      ["src/core/work/work_queue.ts", "false", "true"],
      ["src/core/work/work_queue.ts", "key", "true"],
      ["src/core/work/work_queue.ts", "context", "true"],
      ["src/core/work/work_queue.ts", "this.#resting", "false"],
      ["src/core/work/work_queue.ts", "true", "false"],
      [
        "src/core/work/work_queue.ts",
        'this.#state === "open" && this.#entrance.empty && !this.dispatches',
        "false",
      ],
      ["src/core/work/work_queue.ts", '"open"', '""'],
      ["src/core/work/counts.ts", "this.#epoch.outstanding > 0", "true"],
      ["src/core/work/counts.ts", "this.#epoch.outstanding > 0", "this.#epoch.outstanding >= 0"],
      // Kept, and nobody is told of them.
      ["src/core/work/batch_results.ts", "this.#keeping", "true"],
      ["src/core/work/pool.ts", "this.#running >= this.#concurrency", "false"],
      [
        "src/core/work/pool.ts",
        "this.#running >= this.#concurrency",
        "this.#running > this.#concurrency",
      ],
      ["src/core/work/pool.ts", "!outermost", "false"],
      // `Promise.resolve` asks the same.
      [
        "src/core/shared/promises.ts",
        "thenable instanceof Promise && thenable.constructor === Promise",
        "false",
      ],
      // To close what is locked is refused, and that is handled.
      ["src/sink.ts", "!this.locked", "true"],
    ],
  },
  {
    reason: "Never read before it is set, or while nothing is held",
    mutants: [
      ["src/core/batch/item_collector.ts", "false", "true"],
      ["src/core/batch/item_collector.ts", "{ return this.#items.length; }", "{}"],
    ],
  },
  {
    reason: "Cannot be otherwise there",
    mutants: [
      ["src/core/work/batch_table.ts", "[]", '["Stryker was here"]'],
      ["src/core/stage/stage.ts", "{ highWaterMark: 1 }", "{}"],
      [
        "src/core/stage/map_stage.ts",
        "{ next: undefined, settled: false, value: undefined }",
        "{}",
      ],
      // At the trailing edge no item passes at once, whenever the interval is over; the leading edge
      // has nothing that waits.
      ["src/core/stage/throttler.ts", 'this.#edge === "both"', "true"],
      // Nothing more comes: there is nothing to look at again.
      ["src/core/work/batch_table.ts", "true", "false"],
      // A batch that holds something is the open one of its key.
      ["src/core/work/batch_table.ts", "this.#open.get(batch.key) === batch", "true"],
      // The sink is connected as soon as it is made.
      ["src/core/work/work_queue.ts", "this.#onErrored?.(error)", "this.#onErrored(error)"],
      // No two have the same place in the order.
      ["src/core/work/keyed_queue.ts", "fresh.order < freed.order", "fresh.order <= freed.order"],
      [
        "src/core/work/keyed_queue.ts",
        "heap[parent]!.order < job.order",
        "heap[parent]!.order <= job.order",
      ],
      [
        "src/core/work/keyed_queue.ts",
        "heap[child + 1]!.order < heap[child]!.order",
        "heap[child + 1]!.order <= heap[child]!.order",
      ],
      [
        "src/core/work/keyed_queue.ts",
        "job.order < heap[child]!.order",
        "job.order <= heap[child]!.order",
      ],
      // Where no items are kept, nobody is told of any.
      ["src/core/work/batch_results.ts", "[]", '["Stryker was here"]'],
    ],
  },
  {
    reason: "The end has come already: what is done after it is nobody's",
    mutants: [
      ["src/core/stage/batch_stage.ts", "controller.errored", "false"],
      ["src/core/stage/map_stage.ts", "!this.#controller.errored", "true"],
      ["src/core/stage/map_stage.ts", "!this.errored", "true"],
      ["src/core/stage/batch_stage.ts", "this.errored", "false"],
      ["src/core/stage/batch_stage.ts", "false", "true"],
      // An abort fails it in any case; this is only sooner.
      ["src/core/stage/map_stage.ts", "this.closing && this.#calling > 0", "true"],
      [
        "src/core/stage/map_stage.ts",
        "this.closing && this.#calling > 0",
        "this.closing || this.#calling > 0",
      ],
      ["src/core/stage/map_stage.ts", "this.#calling > 0", "true"],
      ["src/core/stage/map_stage.ts", "this.#calling > 0", "this.#calling >= 0"],
      ["src/core/stage/stage.ts", 'this.#state !== "open"', "false"],
      ["src/core/stage/stage.ts", 'this.#state === "closed" || this.#state === "errored"', "false"],
      [
        "src/core/stage/stage.ts",
        'this.#state === "closed" || this.#state === "errored"',
        'this.#state === "closed" && this.#state === "errored"',
      ],
      ["src/core/stage/stage.ts", 'this.#state === "closed"', "false"],
      ["src/core/stage/stage.ts", '"closed"', '""'],
      ["src/core/stage/stage.ts", 'this.#state === "errored"', "false"],
      ["src/core/stage/stage.ts", '"errored"', '""'],
      // Each follower that is told has left by then.
      ["src/core/shared/signals.ts", "groups.delete(signal);", ";"],
    ],
  },
  {
    reason: "The same to whoever asks",
    mutants: [
      // `undefined` is as good as `false`.
      ["src/core/work/work_queue.ts", "{ return false; }", "{}"],
      // It is only compared with "error".
      ["src/core/batch/item_collector.ts", '"alone"', '""'],
      // Nobody asks for these states by name.
      ["src/core/work/work_queue.ts", '"closing"', '""'],
      ["src/core/work/work_queue.ts", '"errored"', '""'],
      // The platform has one there by itself.
      ["src/core/stage/from.ts", "{ highWaterMark: 1 }", "{}"],
      ["src/sink.ts", "{ highWaterMark: 1 }", "{}"],
    ],
  },
  {
    reason: "Only which name a message suggests, where two are as near",
    mutants: [
      [
        "src/core/shared/options.ts",
        "likeness(known) > likeness(best)",
        "likeness(known) >= likeness(best)",
      ],
    ],
  },
  {
    reason: "Held by the tests of masses, which are left out here: the stack overflows",
    mutants: [
      ["src/core/work/work_queue.ts", "this.#moving", "false"],
      ["src/core/work/pool.ts", "!this.#filling", "true"],
      ["src/core/work/pool.ts", "true", "false"],
      ["src/core/work/pool.ts", "!this.#draining", "true"],
    ],
  },
  {
    reason: "Held by a test that was written since",
    mutants: [
      ["src/core/batch/byte_length.ts", "code > 0xffff", "code >= 0xffff"],
    ],
  },
];
