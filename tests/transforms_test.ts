/** What the five transforms have in common: each is a `TransformStream` with two sides of its own. */

import { assert, assertEquals, assertNotStrictEquals, assertStrictEquals } from "@std/assert";
import { BatchStream, ChunkStream, FixedChunkStream, MapStream, ThrottleStream } from "../mod.ts";
import { collect, streamOf } from "./support/gate.ts";
import { test } from "./support/test.ts";

/** Any of the five. */
type Transform = TransformStream<unknown, unknown>;
type Side = "readable" | "writable";

const bytes = new Uint8Array([1, 2]);

/** Each class, how it is made, an item, and what it makes of that item. */
const transforms: [Class: { prototype: object }, () => unknown, item: unknown, out: unknown[]][] = [
  [BatchStream, () => new BatchStream(2), "a", [["a"]]],
  [ChunkStream, () => new ChunkStream({ maxBytes: 2 }), "a", [["a"]]],
  [FixedChunkStream, () => new FixedChunkStream({ size: 1 }), bytes, [
    bytes.slice(0, 1),
    bytes.slice(1),
  ]],
  [MapStream, () => new MapStream((item: unknown) => [item]), "a", [["a"]]],
  [ThrottleStream, () => new ThrottleStream({ interval: 1000 }), "a", ["a"]],
];

/** The side that a `TransformStream` itself has, which the class hides. */
function hidden(stream: Transform, side: Side): unknown {
  return Reflect.get(TransformStream.prototype, side, stream);
}

for (const [Class, construct, item, out] of transforms) {
  const { name } = Class as { name: string } & typeof Class;
  const make = construct as () => Transform;

  test(`${name} is a TransformStream [4.0]`, () => {
    const stream = make();
    assert(stream instanceof TransformStream);
    assert(stream.readable instanceof ReadableStream);
    assert(stream.writable instanceof WritableStream);
  });

  test(`${name} has the same readable and writable on each read, by getters of its class [4.0]`, () => {
    const [stream, other] = [make(), make()];
    for (const side of ["readable", "writable"] as const) {
      assertStrictEquals(stream[side], stream[side]);
      assertNotStrictEquals<unknown>(stream[side], other[side]);
      assertEquals(Object.hasOwn(stream, side), false);
      const { get, set } = Object.getOwnPropertyDescriptor(Class.prototype, side)!;
      assertEquals([typeof get, set], ["function", undefined]);
    }
  });

  test(`${name} hides the two sides of the TransformStream that it extends [4.0]`, () => {
    const stream = make();
    for (const side of ["readable", "writable"] as const) {
      assertNotStrictEquals<unknown>(stream[side], hidden(stream, side));
    }
  });

  test(`${name} works in pipeThrough [4.0]`, async () => {
    assertEquals(await collect(streamOf([item]).pipeThrough(make())), out);
  });
}

test("BatchStream is a TransformStream where a class extends it, too [4.0]", async () => {
  class Pairs<T> extends BatchStream<T> {
    constructor() {
      super(2);
    }
  }
  const pairs = new Pairs<number>();
  assert(pairs instanceof BatchStream && pairs instanceof TransformStream);
  assertEquals(await collect(streamOf([1, 2, 3]).pipeThrough(pairs)), [[1, 2], [3]]);
});
