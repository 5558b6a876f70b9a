/**
 * Known differences between a runtime and the expectations of the tests. Each entry must be true:
 * the run fails if such a test passes, or if an entry matches no test.
 */

import { here, type HostName } from "./host.ts";

/** Tests that don't hold in some runtimes. */
export interface Difference {
  /** Their names. */
  readonly tests: RegExp;
  readonly hosts: readonly HostName[];
  /** Whether they run and must fail, or are left out because they would hang or stop the others. */
  readonly effect: "fails" | "left out";
  /** The behaviour of the runtime, or the missing feature. */
  readonly reason: string;
}

const WEB = ["workerd", "edge", "chromium", "firefox"] as const;
/** They transfer the inner sides of a `TransformStream`, as the standard does. */
const INNER = ["node22", "node24", "node26", "edge", "chromium", "firefox"] as const;

/** All differences. */
export const differences: readonly Difference[] = [
  {
    tests:
      /^(\S+ (surfaces|leaves (unhandled|the error of an async|a caller's own))|.* (a lost|lost) rej|recipe beacon: an onLost that )/,
    hosts: ["bun"],
    effect: "left out",
    reason: "`bun test` keeps unhandled errors to itself, and fails the test that is running",
  },
  {
    tests: /^(recipe tracing: |Kratos fanout: the trace|Fanout without snapshot runs)/,
    hosts: WEB,
    effect: "fails",
    reason: "it has no `AsyncLocalStorage`",
  },
  {
    tests:
      /^(Aggregator keeps nothing of keys that|Fanout keeps (none of the sources|no item that has been)|Singleflight.do\(\) retains nothing|Each primitive keeps none|An Aggregator without references)/,
    hosts: WEB,
    effect: "left out",
    reason: "a program cannot ask it to collect garbage",
  },
  {
    tests: /^(Batch|Chunk)Stream( with a collector)?\(\) and .+\.from\(\) refuse a wrong /,
    hosts: ["edge"],
    effect: "fails",
    reason: "its `TypeError` is a proxy, which is not the `constructor` of an error",
  },
  {
    tests: /^(BatchStream.from\(\) pulls no more when the|MapStream closes after its last result)/,
    hosts: ["edge"],
    effect: "fails",
    reason: "`read()` gives an object of another realm, which is not equal to a local one",
  },
  {
    tests: /^MapStream (in order|without order|by key) .*keeps its promises in every schedule/,
    hosts: ["edge"],
    effect: "left out",
    reason: "a `write()` after `close()` may reject with an internal assertion of Node",
  },
  {
    tests: /^A pipe between two of ours first passes the items that a writer of the sink has left/,
    hosts: ["workerd"],
    effect: "fails",
    reason: "`releaseLock()` of a writer drops the items in its queue",
  },
  {
    tests: /Stream is transferred .* by postMessage/,
    hosts: ["edge"],
    effect: "fails",
    reason: "it has no `MessageChannel`",
  },
  {
    tests:
      /Stream\w*(\(.*\)| with a collector)? ends a pipe with the same reason when the signal aborts/,
    hosts: ["workerd"],
    effect: "fails",
    reason: "`pipeTo` fulfills when the controller of its destination errors",
  },
  {
    tests:
      /^A pipe between two of ours (does the same as|moves items at the same time as) the platform/,
    hosts: ["workerd"],
    effect: "left out",
    reason: "`pipeTo` fulfills when the controller of its destination errors",
  },
  {
    tests:
      /^Fanout (keeps the order of a writer and of a pipe|handles the items that a writer wrote before)/,
    hosts: ["workerd"],
    effect: "fails",
    reason: "`releaseLock()` of a writer drops the writes that wait, and rejects them",
  },
  {
    tests: / makes writes wait while /,
    hosts: ["workerd"],
    effect: "fails",
    reason: "`writer.ready` does not wait for writes made before `start` is through",
  },
  {
    tests: / leaves no failure unhandled for a pipe that starts in the same turn/,
    hosts: ["workerd"],
    effect: "fails",
    reason: "a pipe to a stream that has failed does not lock it",
  },
  {
    tests: /^The iterator of BatchStream and MapStream /,
    hosts: ["workerd"],
    effect: "fails",
    reason: "its own iterator keeps the lock of a stream that has ended",
  },
  {
    tests: /^countListeners\(\) follows/,
    hosts: ["workerd"],
    effect: "fails",
    reason: "listeners with `capture` are refused",
  },
  {
    tests: /^withClock\(\) puts the real clock back/,
    hosts: ["workerd"],
    effect: "fails",
    reason: "`performance.now()` is the wall clock",
  },
  {
    tests: /Stream( with a collector)? works when Object.prototype is polluted/,
    hosts: ["chromium"],
    effect: "fails",
    reason: "a bare `new TransformStream()` reads the `size` that every object inherits",
  },
  {
    tests: /Stream is transferred /,
    hosts: ["bun", "workerd"],
    effect: "fails",
    reason: "it transfers no streams",
  },
  {
    tests: /Stream is transferred whole by /,
    hosts: INNER,
    effect: "fails",
    reason:
      "it transfers the inner sides of a `TransformStream`, which are locked, and not its two sides",
  },
  {
    tests: /^throttle\(\) surfaces an uncaught error when a timer/,
    hosts: ["workerd"],
    effect: "left out",
    reason: "an error of a timer raises no event, and fails the worker",
  },
];

/** Returns the difference for a test in a runtime, which by default is this one. */
export function difference(
  test: string,
  host: HostName | undefined = here,
): Difference | undefined {
  return differences.find((each) =>
    host !== undefined && each.hosts.includes(host) && each.tests.test(test)
  );
}
