/** The transfer of a transform: its own two sides are transferred, or nothing is. */

import { assert, assertEquals } from "@std/assert";
import { collect } from "./support/gate.ts";
import { test } from "./support/test.ts";
import { make, text, transforms } from "./support/transforms.ts";

/** Writes the items, closes the stream, and returns its output. */
async function passed(
  { readable, writable }: ReadableWritablePair<unknown, unknown>,
  items: readonly unknown[],
): Promise<unknown[]> {
  const results = collect(readable);
  const writer = writable.getWriter();
  for (const item of items) await writer.write(item);
  await writer.close();
  return await results;
}

/** Ways to transfer a value. */
const transfers: Record<string, <T>(value: T, transfer: Transferable[]) => Promise<T>> = {
  "structuredClone()": (value, transfer) =>
    new Promise((resolve) => resolve(structuredClone(value, { transfer }))),
  "postMessage()": (value, transfer) => {
    const { port1, port2 } = new MessageChannel();
    const arrived = new Promise<typeof value>((resolve, reject) => {
      port2.onmessage = ({ data }) => resolve(data);
      port2.onmessageerror = reject;
      port1.postMessage(value, transfer);
    });
    return arrived.finally(() => {
      port1.close();
      port2.close();
    });
  },
};

for (const transform of transforms) {
  const { name, items, results } = transform;
  for (const [how, transfer] of Object.entries(transfers)) {
    test(`${name} is transferred whole by ${how}`, async () => {
      const stream = make(transform);
      const sent = await transfer(stream, [stream]);
      assert(stream.readable.locked && stream.writable.locked);
      assertEquals(text(await passed(sent, items)), text(results));
    });

    test(`${name} is transferred in two halves by ${how}: its readable and its writable`, async () => {
      const { readable, writable } = make(transform);
      const sent = await transfer({ readable, writable }, [readable, writable]);
      assert(readable.locked && writable.locked);
      assertEquals(text(await passed(sent, items)), text(results));
    });

    test(`${name} goes on, there or here, when ${how} transfers or refuses it`, async () => {
      const stream = make(transform);
      const sent = await Promise.resolve().then(() => transfer(stream, [stream])).catch(() =>
        stream
      );
      assertEquals(text(await passed(sent, items)), text(results));
    });
  }
}
