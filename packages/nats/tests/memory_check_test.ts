/** Tests `check` of `@weir/nats/memory` with handmade histories. */

import { assertEquals, assertThrows } from "@std/assert";
import { test } from "../../../tests/support/test.ts";
import {
  type BrokerEvent,
  type BrokerEventKind,
  check,
  type CheckOptions,
  type RepeatReason,
} from "../memory.ts";

/** An event of the message "m", or of a consumer or the broker if it names one. */
type Line = readonly [at: number, kind: BrokerEventKind, consumer?: string, deliveries?: number];

const OF_CONSUMER = ["crashed", "paused", "resumed", "left"];
const OF_BROKER = ["stopped", "restarted"];

function history(...lines: readonly Line[]): BrokerEvent[] {
  return lines.map(([at, kind, consumer, deliveries]) => ({
    ...{ at, kind },
    ...(![...OF_CONSUMER, ...OF_BROKER].includes(kind) && { id: "m" }),
    ...(consumer !== undefined && { consumer }),
    ...(deliveries !== undefined && { deliveries }),
  }));
}

/** The reasons of the repeats, in order. */
function reasons(lines: readonly Line[], options?: CheckOptions): (RepeatReason | undefined)[] {
  return check(history([0, "published"], ...lines), options).repeats.map(({ reason }) => reason);
}

/** Events between a first delivery at 10 and a second one at 50 that must explain the repeat. */
const EXPLAINED: readonly (readonly [what: string, RepeatReason, ...Line[]])[] = [
  ["a nak", "nak", [20, "nacked", "one", 1]],
  ["an ack that is lost", "lost ack", [20, "lost", "one", 1], [40, "expired", "one", 1]],
  ["an ack that the broker forgets", "restart", [20, "acked", "one", 1], [30, "forgotten"]],
  ["a restart before the ack", "restart", [20, "restarted"], [30, "done", "one", 1]],
  ["a stop that spans the ack", "restart", [20, "stopped"], [25, "done", "one", 1], [
    30,
    "restarted",
  ]],
  ["a stop without an end", "restart", [20, "stopped"]],
  ["a crash, even if the broker restarts meanwhile", "crash", [20, "crashed", "one"], [
    30,
    "restarted",
  ]],
  ["a consumer that the broker forgets", "restart", [20, "forgotten", "one", 1]],
  ["a duplicate", "duplicate", [10, "duplicated", "one", 1]],
  ["a crash", "crash", [20, "crashed", "one"]],
  ["a crash, and the ack wait", "crash", [20, "crashed", "one"], [40, "expired", "one", 1]],
  ["a pause", "pause", [20, "paused", "one"], [45, "resumed", "one"], [60, "done", "one", 1]],
  ["a pause without an end", "pause", [20, "paused", "one"]],
  ["an end of its consumer", "left", [20, "left", "one"]],
  ["the end of the ack wait", "ack wait over", [40, "expired", "one", 1], [60, "acked", "one", 1]],
];

for (const [what, reason, ...lines] of EXPLAINED) {
  test(`check() explains a repeat by ${what}`, () => {
    const first: Line = [10, "taken", "one", 1];
    const second: Line = [50, "taken", "two", 2];
    assertEquals(reasons([first, ...lines, second, [70, "acked", "two", 2]]), [reason]);
    // As with a buffer between the broker and the reader.
    const buffered: Line[] = [[9, "delivered", "one", 1], [50, "delivered", "two", 2]];
    assertEquals(reasons([...buffered, [55, "taken", "two", 2], first, ...lines]), [reason]);
    // The second delivery alone explains nothing.
    assertEquals(reasons([first, second]), [undefined]);
  });
}

/** Events that must not explain the repeat. */
const UNEXPLAINED: readonly (readonly [what: string, ...Line[]])[] = [
  ["nothing"],
  ["an ack", [20, "acked", "one", 1]],
  ["a nak that comes later", [60, "nacked", "one", 1]],
  ["a nak of the second delivery", [20, "nacked", "two", 2]],
  ["a lost ack of another delivery", [20, "lost", "one", 3]],
  ["a nak after the ack", [20, "acked", "two", 2], [30, "nacked", "one", 1]],
  ["a crash after the ack", [20, "acked", "one", 1], [30, "crashed", "one"]],
  ["a crash after it was done", [20, "done", "one", 1], [30, "crashed", "one"]],
  ["a crash after it was termed", [20, "termed", "one", 1], [30, "crashed", "one"]],
  ["a crash of another consumer", [20, "crashed", "three"]],
  ["a crash before the delivery", [5, "crashed", "one"]],
  ["a crash that comes later", [60, "crashed", "one"]],
  ["a restart after the ack", [20, "acked", "one", 1], [30, "restarted"]],
  ["a restart before the delivery", [5, "restarted"]],
  ["a stop that ends before the delivery", [2, "stopped"], [5, "restarted"]],
  ["a pause that ends before the delivery", [2, "paused", "one"], [5, "resumed", "one"]],
  ["a pause of another consumer", [20, "paused", "three"]],
  ["a pause after the ack", [20, "acked", "one", 1], [25, "paused", "one"]],
  ["an end of another consumer", [20, "left", "three"]],
  ["the end of the ack wait of another delivery", [20, "expired", "two", 2]],
];

for (const [what, ...lines] of UNEXPLAINED) {
  test(`check() does not explain a repeat by ${what}`, () => {
    const first: Line = [10, "taken", "one", 1];
    const second: Line = [50, "taken", "two", 2];
    const report = check(history([0, "published"], first, ...lines, second, [70, "acked"]));
    assertEquals(report.unexplained, report.repeats);
    assertEquals(report.repeats.map(({ reason, taken }) => [reason, taken.at]), [[undefined, 50]]);
    assertEquals(report.reasons, {});
  });
}

test("check() does not explain a delivery of a message that the broker knows to be settled", () => {
  for (const kind of ["acked", "termed"] as const) {
    const lines: Line[] = [
      [10, "delivered", "one", 1],
      [10, "taken", "one", 1],
      [20, "crashed", "one"],
      [30, kind, "one", 1],
      [50, "delivered", "two", 2],
      [55, "taken", "two", 2],
    ];
    assertEquals(reasons(lines), [undefined]);
    // It was delivered before, and has been in a buffer since, which is different.
    assertEquals(
      reasons(lines.map((line) => line[0] === 50 ? [25, ...line.slice(1)] as never : line)),
      [
        "crash",
      ],
    );
    // The same if the broker has forgotten it.
    assertEquals(reasons([...lines, [40, "forgotten"]]), ["restart"]);
    // The broker doesn't know the consumer's own report either.
    assertEquals(reasons(lines.map((line) => line[1] === kind ? [30, "done", "one", 1] : line)), [
      "crash",
    ]);
  }
});

test("check() gives each repeat the event that explains it", () => {
  const events = history(
    [0, "published"],
    [1, "taken", "one", 1],
    [2, "nacked", "one", 1],
    [3, "taken", "two", 2],
    [4, "crashed", "two"],
    [5, "taken", "one", 3],
    [6, "acked", "one", 3],
    [7, "taken", "three", 4],
  );
  const { repeats, unexplained, reasons } = check(events);
  assertEquals(repeats, [
    { id: "m", before: events[1]!, taken: events[3]!, reason: "nak", cause: events[2]! },
    { id: "m", before: events[3]!, taken: events[5]!, reason: "crash", cause: events[4]! },
    { id: "m", before: events[5]!, taken: events[7]! },
  ]);
  assertEquals(unexplained, [repeats[2]!]);
  assertEquals(reasons, { nak: 1, crash: 1 });
});

test("check() follows the deliveries, not the clock, when a stale one is taken late", () => {
  // The second delivery was taken and done before the first one's consumer woke up.
  const lines: Line[] = [
    [1, "paused", "one"],
    [20, "taken", "two", 2],
    [30, "done", "two", 2],
    [40, "resumed", "one"],
    [41, "taken", "one", 1],
  ];
  assertEquals(reasons([[1, "delivered", "one", 1], ...lines]), ["pause"]);
  assertEquals(reasons(lines), ["pause"]);
});

test("check() uses the clock when the broker does not count", () => {
  const lines: Line[] = [
    [30, "taken", "two"],
    [20, "nacked", "one"],
    [10, "taken", "one"],
    [40, "crashed", "two"],
    [50, "taken", "three"],
    [60, "done", "three"],
    [70, "taken", "four"],
  ];
  assertEquals(reasons(lines), ["nak", "crash", undefined]);
});

test("check() reports a message as lost that is neither done nor termed", () => {
  const of = (id: string, ...kinds: BrokerEventKind[]) =>
    kinds.map((kind, at) => ({ at, kind, id, consumer: "one", deliveries: 1 }));
  const report = check([
    ...of("acked", "published", "taken", "acked"),
    ...of("done", "published", "taken", "done"),
    ...of("termed", "published", "taken", "termed"),
    ...of("done and termed", "published", "taken", "done", "termed"),
    ...of("never taken", "published"),
    ...of("only taken", "published", "delivered", "taken", "nacked", "expired"),
    ...of("its ack lost", "published", "taken", "lost"),
    ...of("from nowhere", "taken", "done"),
  ]);
  assertEquals(report, {
    published: 7,
    done: 4,
    termed: ["termed"],
    lost: ["never taken", "only taken", "its ack lost"],
    unpublished: ["from nowhere"],
    repeats: [],
    unexplained: [],
    reasons: {},
  });
  const nothing = { published: 0, done: 0, termed: [], lost: [], unpublished: [] };
  assertEquals(check([]), { ...nothing, repeats: [], unexplained: [], reasons: {} });
});

test("check() treats an ack as safe when it is as old as `reach`", () => {
  const lines = (...events: Line[]): Line[] => [
    [10, "taken", "one", 1],
    [20, "done", "one", 1],
    ...events,
    [90, "taken", "two", 2],
  ];
  for (
    const [reason, at, ...events] of [
      ["crash", 25, [25, "crashed", "one"]],
      ["restart", 25, [25, "restarted"]],
      ["restart", 25, [25, "stopped"], [60, "restarted"]],
      ["pause", 25, [25, "paused", "one"], [95, "resumed", "one"]],
      ["left", 25, [25, "left", "one"]],
    ] as [RepeatReason, number, ...Line[]][]
  ) {
    assertEquals(reasons(lines(...events), { reach: at - 20 + 1 }), [reason]);
    assertEquals(reasons(lines(...events), { reach: at - 20 }), [undefined]);
    assertEquals(reasons(lines(...events)), [undefined]);
  }
});

test("check() does not use a cause twice, even if all events have one time", () => {
  const lines: Line[] = [
    [1, "delivered", "one", 1],
    [1, "taken", "one", 1],
    [1, "nacked", "one", 1],
    [1, "delivered", "two", 2],
    [1, "taken", "two", 2],
    [1, "delivered", "three", 3],
    [1, "taken", "three", 3],
  ];
  assertEquals(reasons(lines), ["nak", undefined]);
});

test("check() counts a pause from its start, logged once or twice", () => {
  const lines: Line[] = [
    [10, "taken", "one", 1],
    [15, "paused", "one"],
    [40, "paused", "one"],
    [50, "taken", "two", 2],
  ];
  assertEquals(reasons(lines, { ackWait: 35 }), ["pause"]);
  assertEquals(reasons(lines, { ackWait: 36 }), [undefined]);
});

test("check() accepts a pause as a cause only if it is as long as `ackWait`", () => {
  const lines: Line[] = [
    [10, "taken", "one", 1],
    [20, "paused", "one"],
    [50, "taken", "two", 2],
    [60, "resumed", "one"],
  ];
  assertEquals(reasons(lines, { ackWait: 30 }), ["pause"]);
  assertEquals(reasons(lines, { ackWait: 31 }), [undefined]);
  const brief = lines.map((line): Line => line[1] === "resumed" ? [40, "resumed", "one"] : line);
  assertEquals(reasons(brief, { ackWait: 20 }), ["pause"]);
  assertEquals(reasons(brief, { ackWait: 21 }), [undefined]);
});

test("check() takes any iterable, in any order, and does not change it", () => {
  const events = history(
    [5, "taken", "two", 2],
    [3, "crashed", "one"],
    [9, "done", "two", 2],
    [2, "taken", "one", 1],
    [1, "published"],
  );
  Object.freeze(events);
  const report = check(events);
  assertEquals(report.reasons, { crash: 1 });
  assertEquals(check(new Set(events)), report);
  assertEquals(check(JSON.parse(JSON.stringify(events))), report);
});

test("check() refuses a value that is not a history", () => {
  const fails = (history: unknown, message: string) =>
    assertThrows(() => check(history as BrokerEvent[]), TypeError, message);
  fails(undefined, "check: history must be an iterable of events; got undefined");
  fails({ at: 1 }, "check: history must be an iterable of events; got an object");
  fails([null], "check: history[0] must be an event; got null");
  const fine = { at: 1, kind: "published", id: "a" };
  fails([fine, { ...fine, kind: "crash" }], 'history[1].kind must be a kind of event; got "crash"');
  fails([{ ...fine, kind: "toString" }], 'history[0].kind must be a kind of event; got "toString"');
  for (const at of [NaN, "1", undefined, null, Infinity]) {
    fails([{ ...fine, at }], "check: history[0].at must be a finite number; got");
  }
  fails([{ at: 1, kind: "taken" }], "check: history[0].id must be a string; got undefined");
  fails([{ ...fine, id: 1 }], "check: history[0].id must be a string; got 1");
  fails(
    [{ at: 1, kind: "crashed", id: "a" }],
    "history[0].consumer must be a string; got undefined",
  );
  assertThrows(() => check([], { reach: -1 }), RangeError, '"reach" must be a number of');
  assertThrows(() => check([], { ackWait: NaN }), RangeError, '"ackWait" must be a number of');
  assertThrows(() => check([], { wait: 1 } as never), TypeError, 'unknown option "wait"');
});

test("check() explains a repeat that counts as a first delivery, from a broker that lost its count", () => {
  const lines: Line[] = [
    [10, "delivered", "one", 1],
    [10, "taken", "one", 1],
    [12, "nacked", "one", 1],
    [13, "delivered", "one", 2],
    [13, "taken", "one", 2],
    [20, "stopped"],
    [30, "restarted"],
    [40, "delivered", "one", 1],
    [40, "taken", "one", 1],
    [41, "done", "one", 1],
  ];
  assertEquals(reasons(lines), ["nak", "restart"]);
  // If the broker had no reason to lose its count, nothing explains the last one.
  const calm = lines.filter(([, kind]) => kind !== "stopped" && kind !== "restarted");
  assertEquals(reasons(calm).includes(undefined), true);
});

test("check() explains a repeat that a paused consumer receives later than its successor", () => {
  const lines: Line[] = [
    [5, "paused", "one"],
    [30, "delivered", "two", 2],
    [30, "taken", "two", 2],
    [31, "done", "two", 2],
    [40, "resumed", "one"],
    [41, "delivered", "one", 1],
    [41, "taken", "one", 1],
    [42, "done", "one", 1],
  ];
  assertEquals(reasons(lines, { ackWait: 20 }), ["pause"]);
  assertEquals(reasons(lines, { ackWait: 30 }), [undefined]);
});

test("check() ignores an ack after which the broker delivered the message again", () => {
  const lines: Line[] = [
    [10, "taken", "one", 1],
    [11, "done", "one", 1],
    [12, "stopped"],
    [20, "restarted"],
    [40, "taken", "two", 1],
    [41, "stopped"],
    [50, "restarted"],
    [70, "taken", "one", 1],
    [71, "done", "one", 1],
  ];
  assertEquals(reasons(lines, { reach: 5 }), ["restart", "restart"]);
});

test("check() explains a repeat by a nak that the broker received when it was back", () => {
  const lines: Line[] = [
    [10, "taken", "one", 1],
    [11, "stopped"],
    [12, "nacked", "one", 1],
    [20, "restarted"],
    [22, "delivered", "two", 1],
    [22, "taken", "two", 1],
    [24, "delivered", "two", 2],
    [25, "taken", "two", 2],
    [26, "done", "two", 2],
  ];
  assertEquals(reasons(lines, { reach: 5 }), ["restart", "nak"]);
  assertEquals(reasons(lines, { reach: 1 }), ["restart", undefined]);
});

test("check() explains a repeat by a nak of a delivery that is no longer the latest", () => {
  const lines: Line[] = [
    [10, "delivered", "one", 1],
    [10, "taken", "one", 1],
    [11, "paused", "one"],
    [30, "resumed", "one"],
    [31, "nacked", "one", 1],
    [33, "delivered", "two", 2],
    [33, "taken", "two", 2],
    [35, "delivered", "three", 3],
    [35, "taken", "three", 3],
    [36, "done", "three", 3],
  ];
  assertEquals(reasons(lines, { reach: 5 }), ["pause", "nak"]);
  assertEquals(reasons(lines, { reach: 1 }), ["nak", undefined]);
});

test("check() reports a message as lost that was acked before it was taken", () => {
  const early = check(history([0, "published"], [1, "acked", "one", 1], [2, "taken", "one", 1]));
  assertEquals([early.lost, early.done], [["m"], 0]);
  const never = check(
    history([0, "published"], [1, "delivered", "one", 1], [2, "acked", "one", 1]),
  );
  assertEquals([never.lost, never.done], [["m"], 0]);
  const done = check(history([0, "published"], [1, "acked", "one", 1], [2, "done", "one", 1]));
  assertEquals([done.lost, done.done], [[], 1]);
});

test("check() uses a nak for the first repeat when the broker's restart explains the second", () => {
  const lines: Line[] = [
    [1, "taken", "one", 1],
    [2, "nacked", "one", 1],
    [3, "taken", "two", 2],
    [4, "stopped"],
    [5, "done", "two", 2],
    [6, "restarted"],
    [7, "taken", "three", 3],
    [8, "done", "three", 3],
  ];
  assertEquals(reasons(lines, { reach: 10 }), ["nak", "restart"]);
});

test("check() uses one nak for one repeat, even within a millisecond", () => {
  const nak: Line = [5, "nacked", "one", 1];
  assertEquals(
    reasons([[5, "taken", "one", 1], nak, [5, "taken", "one", 2], [5, "taken", "one", 3]]),
    ["nak", undefined],
  );
  const twice: Line = [5, "nacked", "one", 2];
  assertEquals(
    reasons([[5, "taken", "one", 1], nak, [5, "taken", "one", 2], twice, [5, "taken", "one", 3]]),
    ["nak", "nak"],
  );
});
