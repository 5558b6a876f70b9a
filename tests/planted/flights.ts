import type { Planted } from "./planted.ts";

const TESTS = ["singleflight"];

/** Bugs of `Singleflight`. */
export const flights: readonly Planted[] = [
  {
    name: "forget-deletes-newer",
    shape: "https://github.com/golang/go/issues/31420",
    wrong:
      "a flight that was forgotten deletes the newer one when it ends, and a third runs beside it",
    rule: "F-39",
    tests: TESTS,
    file: "singleflight.ts",
    edits: [["if (!this.#current(flight)) return;\n    this.#flights", "this.#flights"]],
  },
  {
    name: "joins-a-dying-flight",
    shape: "https://github.com/tailscale/tailscale/issues/18919",
    wrong: "who comes after the last caller has left joins the flight that is being cancelled",
    rule: "6.3",
    tests: TESTS,
    file: "core/flight.ts",
    edits: [["this.#onDeserted(this);", ""]],
  },
  {
    name: "one-leaver-cancels-all",
    shape: "https://github.com/buildbuddy-io/buildbuddy/pull/7199",
    wrong: "the cancellation of one caller is that of everybody",
    rule: "F-39",
    tests: TESTS,
    file: "core/flight.ts",
    edits: [["if (this.#common || this.#callers!.size > 0) return;", ""]],
  },
  {
    name: "hangs-after-panic",
    shape: "https://github.com/golang/go/issues/41133",
    wrong: "a function that panics leaves its key behind, and later callers wait for ever",
    rule: "6.5",
    tests: TESTS,
    file: "singleflight.ts",
    edits: [["this.#drop(flight);\n    flight.fail(error);", "flight.fail(error);"]],
  },
  {
    name: "rejection-cached",
    shape: "https://github.com/medikoo/memoizee/issues/93",
    wrong: "a rejection stays in the cache, and is answered for ever",
    rule: "6.2",
    tests: TESTS,
    file: "singleflight.ts",
    edits: [[
      "this.#drop(flight);\n    flight.fail(error);",
      "this.#drop(flight);\n    this.#cache?.set(flight.key, error as V);\n    flight.fail(error);",
    ]],
  },
  {
    name: "response-shared",
    shape: "https://github.com/AryanSharma48/smoothAPI/pull/15",
    wrong: "all callers have the same `Response`, whose body can be read once",
    rule: "6.6",
    tests: TESTS,
    file: "core/flight.ts",
    edits: [["(original && index === 0)", "(original && index >= 0)"]],
  },
  {
    name: "shared-only-for-joiners",
    shape: "https://github.com/golang/go/issues/74880",
    wrong: "the first caller is told that its value is its own, which others have too",
    rule: "6.7",
    tests: TESTS,
    file: "core/flight.ts",
    edits: [[
      "caller.land(values[index]!, this.shared)",
      "caller.land(values[index]!, index > 0)",
    ]],
  },
  {
    name: "caller-listener-left",
    shape: "https://github.com/nodejs/undici/issues/939",
    wrong: "the listener on a caller's signal stays when the flight has landed",
    rule: "6.3",
    tests: TESTS,
    file: "core/flight.ts",
    edits: [["for (const caller of callers) caller.unfollow();", ""]],
  },
];
