/** Tests `delivery`, `ackAll` and `nakAll`. */

import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ackAll, type Delivery, delivery, nakAll } from "../delivery.ts";
import { gate } from "../../../tests/support/gate.ts";
import { test } from "../../../tests/support/test.ts";
import { unhandled } from "../../../tests/support/unhandled.ts";
import { Ledger } from "./ledger.ts";

test("delivery() tells the broker the first settlement, and no other", () => {
  const ledger = new Ledger();
  const ends: ((given: Delivery<number>) => void)[] = [
    (given) => given.ack(),
    (given) => given.nak(5),
    (given) => given.term?.("no"),
  ];
  for (const [place, end] of ends.entries()) {
    const given = ledger.one(place);
    assertEquals(given.settled, false);
    end(given);
    assertEquals(given.settled, true);
    for (const other of ends) other(given);
  }
  assertEquals(ledger.log, ["ack 0", "nak 1 5", "term 2"]);
});

test("delivery() has its value and its count, and works when it is frozen", () => {
  const value = { id: 7 };
  const given = Object.freeze(delivery(value, { ack() {}, nak() {}, deliveries: 3 }));
  assertEquals(given.value, value);
  assertEquals([given.deliveries, given.settled], [3, false]);
  given.ack();
  assertEquals(given.settled, true);
});

test("delivery() acks at term() when the adapter has no term", () => {
  const told: string[] = [];
  delivery(1, { ack: () => told.push("ack"), nak() {} }).term?.();
  delivery(1, { ack() {}, nak() {}, term: (reason) => told.push(`term ${reason}`) }).term?.("bad");
  assertEquals(told, ["ack", "term bad"]);
});

test("delivery() calls the functions as methods of the given object", () => {
  const ways = {
    told: 0,
    ack(): void {
      this.told++;
    },
    nak(): void {},
  };
  // The adapter's own fields must be known, but inherited ones don't matter.
  const given = delivery(1, Object.create(ways));
  assertThrows(() => delivery(1, ways as never), TypeError, '"told"');
  assertEquals(given.settled, false);
});

test("delivery() is not settled when the adapter fails", async () => {
  const late = gate();
  let fails = true;
  const given = delivery(1, {
    ack() {
      if (fails) throw new Error("no connection");
    },
    nak: () => late.promise,
  });
  assertThrows(() => given.ack(), Error, "no connection");
  assertEquals(given.settled, false);
  const told = given.nak() as unknown as Promise<void>;
  assertEquals(given.settled, true);
  late.reject(new Error("too late"));
  await assertRejects(() => told, Error, "too late");
  assertEquals(given.settled, false);
  fails = false;
  given.ack();
  assertEquals(given.settled, true);
});

test("delivery() surfaces a rejection of the adapter that no caller awaits", async () => {
  const error = new Error("gone");
  const given = delivery(1, { ack: () => Promise.reject(error), nak() {} });
  assertEquals(await unhandled(() => void given.ack()), [error]);
});

test("delivery() settles once when the adapter's function calls it again", () => {
  const told: string[] = [];
  const given: Delivery<number> = delivery(1, {
    ack: () => {
      told.push("ack");
      given.nak();
      given.ack();
    },
    nak: () => told.push("nak"),
  });
  given.ack();
  assertEquals(told, ["ack"]);
});

test("delivery() refuses wrong functions and wrong delays", () => {
  const ack = () => {};
  const nak = () => {};
  assertThrows(() => delivery(1, { ack } as never), TypeError, 'delivery: option "nak" must be');
  assertThrows(() => delivery(1, { ack: 1, nak } as never), TypeError, '"ack" must be a function');
  assertThrows(() => delivery(1, { ack, nak, term: null } as never), TypeError, '"term"');
  assertThrows(() => delivery(1, { ack, nak, nack: nak } as never), TypeError, '"nack"');
  assertThrows(() => delivery(1, null as never), TypeError, "plain object; got null");
  assertThrows(() => delivery(1, { ack, nak, deliveries: "1" } as never), TypeError, '"1"');
  for (const deliveries of [0, -1, 1.5, NaN, Infinity]) {
    assertThrows(() => delivery(1, { ack, nak, deliveries }), RangeError, `got ${deliveries}`);
  }
  const given = delivery(1, { ack, nak });
  for (const delay of [-1, NaN, Infinity, 2 ** 31]) {
    assertThrows(() => given.nak(delay), RangeError, 'Delivery.nak: option "delay" must be from 0');
  }
  assertThrows(() => given.nak("5" as never), TypeError, '"5"');
  assertEquals(given.settled, false);
});

test("ackAll() and nakAll() settle the deliveries that are not settled", () => {
  const ledger = new Ledger();
  const batch = ledger.some(1, 2, 3);
  batch[1]!.nak();
  ackAll(batch);
  ackAll(batch);
  nakAll(batch);
  nakAll(new Set(ledger.some(4, 5)), 70);
  nakAll([ledger.bare(6)]);
  ackAll([{ ...ledger.bare(7), settled: true }, { ...ledger.bare(8), settled: false }]);
  assertEquals(ledger.log, [
    "nak 2 now",
    "ack 1",
    "ack 3",
    "nak 4 70",
    "nak 5 70",
    "nak 6 now",
    "ack 8",
  ]);
});

test("ackAll() and nakAll() settle the others when one fails, and then throw", () => {
  const ledger = new Ledger();
  const errors = [new Error("a"), new Error("b")];
  const broken = errors.map((error): Delivery<number> => ({
    value: 0,
    ack() {
      throw error;
    },
    nak() {
      throw errors[0];
    },
  }));
  const [one, two] = [ledger.one(1), ledger.one(2)];
  const both = assertThrows(() => ackAll([broken[0]!, one, broken[1]!]), AggregateError, "a; b");
  assertEquals(both.errors, errors);
  const same = assertThrows(() => nakAll([...broken, two]));
  assertEquals([same === errors[0], ledger.log], [true, ["ack 1", "nak 2 now"]]);
});
