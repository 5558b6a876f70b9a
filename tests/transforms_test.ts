/** The common features of the transforms: each is a `TransformStream` with its own two sides. */

import { assert, assertEquals, assertNotStrictEquals, assertStrictEquals } from "@std/assert";
import * as library from "../mod.ts";
import { BatchStream } from "../mod.ts";
import { collect, streamOf } from "./support/gate.ts";
import { make, type Stream, text, transforms } from "./support/transforms.ts";
import { test } from "./support/test.ts";

type Side = "readable" | "writable";

/** The inner side of the `TransformStream`, which the class hides. */
function hidden(stream: Stream, side: Side): unknown {
  return Reflect.get(TransformStream.prototype, side, stream);
}

test("Every transform is in the table [4.0]", () => {
  const isTransform = (given: unknown) =>
    (given as { prototype?: unknown }).prototype instanceof TransformStream;
  const classes = Object.entries(library).filter(([, given]) => isTransform(given));
  assertEquals(transforms.map(({ name }) => name), classes.map(([name]) => name));
  for (const transform of transforms) {
    assertEquals(make(transform).constructor.name, transform.name);
  }
});

for (const transform of transforms) {
  const { name, items, results } = transform;

  test(`${name} is a TransformStream [4.0]`, () => {
    const stream = make(transform);
    assert(stream instanceof TransformStream);
    assert(stream.readable instanceof ReadableStream);
    assert(stream.writable instanceof WritableStream);
  });

  test(`${name} has the same readable and writable on each read, by getters of its class [4.0]`, () => {
    const [stream, other] = [make(transform), make(transform)];
    for (const side of ["readable", "writable"] as const) {
      assertStrictEquals(stream[side], stream[side]);
      assertNotStrictEquals<unknown>(stream[side], other[side]);
      assertEquals(Object.hasOwn(stream, side), false);
      const { get, set } = Object.getOwnPropertyDescriptor(stream.constructor.prototype, side)!;
      assertEquals([typeof get, set], ["function", undefined]);
    }
  });

  test(`${name} hides the two sides of the TransformStream that it extends [4.0]`, () => {
    const stream = make(transform);
    for (const side of ["readable", "writable"] as const) {
      assertNotStrictEquals<unknown>(stream[side], hidden(stream, side));
    }
  });

  test(`${name} works in pipeThrough [4.0]`, async () => {
    const got = await collect(streamOf(items).pipeThrough(make(transform)));
    assertEquals(text(got), text(results));
  });
}

test("BatchStream is a TransformStream even if a class extends it [4.0]", async () => {
  class Pairs<T> extends BatchStream<T> {
    constructor() {
      super(2);
    }
  }
  const pairs = new Pairs<number>();
  assert(pairs instanceof BatchStream && pairs instanceof TransformStream);
  assertEquals(await collect(streamOf([1, 2, 3]).pipeThrough(pairs)), [[1, 2], [3]]);
});
