import type { Planted } from "./planted.ts";

const MAP = ["map_stream", "transform_faults"];
const THROTTLE = ["throttle", "transform_faults"];

/** Bugs of `MapStream`, `FixedChunkStream`, `ThrottleStream` and `throttle`. */
export const transforms: readonly Planted[] = [
  {
    name: "one-more-pulled",
    shape: "https://github.com/sindresorhus/p-map/issues/76",
    wrong: "one more call than `concurrency` is let in",
    rule: "4.M1",
    tests: MAP,
    file: "core/mapper.ts",
    edits: [["this.#open >= this.#options.concurrency", "this.#open > this.#options.concurrency"]],
  },
  {
    name: "failed-and-completed",
    shape: "https://github.com/akka/akka-core/issues/22880",
    wrong: "a call that fails while the stream completes counts as a result",
    rule: "F-20",
    tests: MAP,
    file: "core/mapper.ts",
    edits: [["if (failed) {", "if (failed && !this.closing) {"]],
  },
  {
    name: "throw-takes-the-slot",
    shape: "https://github.com/typelevel/fs2/issues/2825",
    wrong: "a function that throws before it returns a promise leaves the stream waiting for ever",
    rule: "F-13",
    tests: MAP,
    file: "core/pool.ts",
    edits: [["this.settle(worker, true, error);\n      return;", "void error;\n      return;"]],
  },
  {
    name: "first-failure-ends-nothing",
    shape: "https://github.com/typelevel/fs2/issues/2726",
    wrong: "a failure does not reach the calls that still run",
    rule: "4.M5",
    tests: MAP,
    file: "core/mapper.ts",
    edits: [["this.#pool.abort(reason);", ""]],
  },
  {
    name: "buffer-reused",
    shape: "https://github.com/react/react/issues/24032",
    wrong: "a chunk is handed out, and its buffer is written into again",
    rule: "4.X3",
    tests: ["fixed_chunk_stream", "transform_faults"],
    file: "core/cutter.ts",
    edits: [["this.#piece = undefined;\n    this.#filled = 0;", "this.#filled = 0;"]],
  },
  {
    name: "first-instead-of-latest",
    shape: "https://github.com/jayphelps/core-decorators/issues/94",
    wrong: "the trailing edge passes the first of the interval, and not the latest",
    rule: "4.T2",
    tests: THROTTLE,
    file: "core/throttler.ts",
    edits: [["this.#pending = { item };", "this.#pending ??= { item };"]],
  },
  {
    name: "early-after-trailing",
    shape: "https://github.com/siberiacancode/reactuse/issues/503",
    wrong: "a call right after the trailing one passes at once",
    rule: "4.T3",
    tests: THROTTLE,
    file: "core/throttler.ts",
    edits: [[
      'if (this.#edge === "both") this.#until = performance.now() + this.#interval;',
      "",
    ]],
  },
  {
    name: "throttle-timer-left",
    shape: "https://github.com/lodash/lodash/issues/86",
    wrong: "the timer of a call that was flushed or given up is not cleared",
    rule: "4.T6",
    tests: THROTTLE,
    file: "core/throttler.ts",
    edits: [["clearTimeout(this.#timer);", ""]],
  },
  {
    name: "wall-clock",
    shape: "https://github.com/jashkenas/underscore/pull/1473",
    wrong: "a wall clock that is set back silences the throttle until it has caught up",
    rule: "F-35",
    tests: THROTTLE,
    file: "core/throttler.ts",
    edits: [
      [
        "!this.#pending && performance.now() >= this.#until",
        "!this.#pending && Date.now() >= this.#until",
      ],
      [
        "if (this.quiet) {\n      this.#until = performance.now()",
        "if (this.quiet) {\n      this.#until = Date.now()",
      ],
    ],
  },
  {
    name: "infinity-is-now",
    shape: "https://github.com/sindresorhus/p-timeout/issues/14",
    wrong: "`Infinity` is handed to `setTimeout`, which fires at once",
    rule: "F-03",
    tests: THROTTLE,
    file: "core/throttler.ts",
    edits: [
      ["if (this.#until < Infinity) this.#arm();", "this.#arm();"],
      [
        "if (performance.now() < this.#until) this.#arm();\n    else this.flush();",
        "this.flush();",
      ],
    ],
  },
];
