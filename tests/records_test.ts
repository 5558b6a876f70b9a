import { assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { RecordError, records } from "../examples/ingest/records.ts";
import { test } from "./support/test.ts";

const encoder = new TextEncoder();

async function split(...pieces: Array<string | Uint8Array>): Promise<string[]> {
  const found: string[] = [];
  const bytes = pieces.map((piece) => typeof piece === "string" ? encoder.encode(piece) : piece);
  for await (const record of records(bytes)) found.push(record);
  return found;
}

/** The bytes in pieces that end at the cuts, some of them empty. */
function cut(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const ends = [...cuts.map((at) => at % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  return ends.map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end));
}

test("records: any array of objects, cut anywhere, gives its objects", async () => {
  const tricky = fc.string({
    unit: fc.constantFrom("{", "}", '"', "\\", "[", "]", ",", "é", "🏞️"),
  });
  const value = fc.oneof(fc.jsonValue(), tricky, fc.string({ unit: "binary" }));
  const object = fc.dictionary(fc.oneof(fc.string(), tricky), value);
  const space = fc.constantFrom(undefined, 1, "\t", "\r\n ");
  await fc.assert(fc.asyncProperty(
    fc.array(object),
    space,
    fc.array(fc.nat()),
    async (objects, indent, cuts) => {
      // As JSON has it: without -0 and lone surrogates.
      const bytes = encoder.encode(JSON.stringify(objects, undefined, indent));
      const expected = JSON.parse(new TextDecoder().decode(bytes));
      const texts = await split(...cut(bytes, cuts));
      assertEquals(texts.map((text) => JSON.parse(text)), expected);
    },
  ));
});

test("records: a byte at a time", async () => {
  const text = '\ufeff [ {"é": "}\\"{\\\\"},\n\t{"🏞": [{}]} ]\r\n';
  const bytes = encoder.encode(text);
  assertEquals(await split(...cut(bytes, Array.from(bytes, (_, i) => i))), [
    '{"é": "}\\"{\\\\"}',
    '{"🏞": [{}]}',
  ]);
});

test("records: the text is passed on as it is, for JSON.parse to judge", async () => {
  assertEquals(await split("[{bad},", "{}]"), ["{bad}", "{}"]);
});

test("records: those before a fault come out", async () => {
  const found: string[] = [];
  const error = await assertRejects(async () => {
    for await (const record of records([encoder.encode("[{},{},3]")])) found.push(record);
  }, RecordError);
  assertEquals(found, ["{}", "{}"]);
  assertEquals(error.record, 3);
});

const FAULTS: Array<[string, number, string]> = [
  ["", 1, "the input ends where [ should be"],
  ["{}", 1, '"{" where [ should be'],
  ["[", 1, "the input ends where { or ] should be"],
  ["[,", 1, '"," where { or ] should be'],
  ["[{}", 2, "the input ends where , or ] should be"],
  ["[{}{}]", 2, '"{" where , or ] should be'],
  ["[{},", 2, "the input ends where { should be"],
  ["[{},]", 2, '"]" where { should be'],
  ["[{},[]]", 2, '"[" where { should be'],
  ['[{},{"a":"}]', 2, "the input ends inside of a record"],
  ["[{}]]", 2, '"]" where nothing more should be'],
];

for (const [text, record, message] of FAULTS) {
  test(`records: ${text || "nothing"} is a fault in record ${record}`, async () => {
    const error = await assertRejects(() => split(text), RecordError);
    assertEquals([error.record, error.message], [record, message]);
  });
}

test("records: what is not UTF-8 is a fault", async () => {
  for (const pieces of [["[{},", Uint8Array.of(0xff)], ["[{},", Uint8Array.of(0xc3)]]) {
    const error = await assertRejects(() => split(...pieces), RecordError);
    assertEquals([error.record, error.message], [2, "the text is not UTF-8"]);
  }
});

test("records: nothing more is read once the consumer stops", async () => {
  let read = 0;
  let returned = false;
  function* pieces() {
    try {
      for (;;) yield encoder.encode(read++ === 0 ? "[{}" : ",{}");
    } finally {
      returned = true;
    }
  }
  for await (const record of records(pieces())) if (record === "{}" && read === 3) break;
  assertEquals([read, returned], [3, true]);
});
