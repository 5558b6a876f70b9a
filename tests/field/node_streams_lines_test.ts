/** The reasons why docs/node-streams.md does not use `node:readline`. */

import { assertEquals, assertStrictEquals } from "@std/assert";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { Fanout } from "../../mod.ts";
import { heard, rejection } from "../support/hand.ts";
import { test } from "../support/test.ts";
import { unhandled } from "../support/unhandled.ts";
import { among, errors, quiet, Watched } from "./node_streams.ts";

test("readline loses lines from before the iteration, and then never ends", async () => {
  const source = Readable.from(["a\nb\n"]);
  const lines = createInterface({ input: source });
  await quiet();
  const consumed = new Watched(new Fanout<string>(() => {}).consume(lines));
  await quiet();
  assertEquals(consumed.state, undefined);
});

test("readline never ends when its input is destroyed without an error", async () => {
  const source = new Readable({ read() {} });
  const sink = new Fanout<string>(() => {});
  const consumed = new Watched(sink.consume(createInterface({ input: source })));
  source.push("a\nhalf");
  await quiet();
  source.destroy();
  await quiet();
  assertEquals([consumed.state, sink.stats.done], [undefined, 1]);
});

test("readline leaves its input open when the sink fails", async () => {
  const source = new Readable({ read() {} });
  const sink = new Fanout(() => {
    throw errors.handler;
  });
  const consumed = sink.consume(createInterface({ input: source }));
  source.push("a\nb\n");
  assertStrictEquals(await rejection(consumed), errors.handler);
  await quiet();
  assertEquals(source.destroyed, false);
});

test("readline passes on an error of its input", async () => {
  const source = new Readable({ read() {} });
  const consumed = new Fanout<string>(() => {}).consume(createInterface({ input: source }));
  source.push("a\n");
  await quiet();
  source.destroy(errors.source);
  assertStrictEquals(await rejection(consumed), errors.source);
});

test("readline in a pipeline() throws an uncaught error when the sink fails", async () => {
  if (among("bun")) return; // its runner would fail the test
  const source = new Readable({ read() {} });
  const sink = heard(
    new Fanout(() => {
      throw errors.handler;
    }),
  );
  const lost = await unhandled(async () => {
    const piped = pipeline(source, () => sink.consume(createInterface({ input: source })));
    source.push("a\nb\n");
    assertStrictEquals(await rejection(piped), errors.handler);
    await quiet();
  });
  assertEquals(lost, [errors.handler]);
});
