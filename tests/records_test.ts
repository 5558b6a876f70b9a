import { assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { RecordError, records } from "../examples/ingest/records.ts";
import { test } from "./support/test.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

async function split(...pieces: Array<string | Uint8Array>): Promise<string[]> {
  const found: string[] = [];
  const bytes = pieces.map((piece) => typeof piece === "string" ? encoder.encode(piece) : piece);
  for await (const record of records(bytes)) found.push(decoder.decode(record).trim());
  return found;
}

/** The bytes in pieces that end at the cuts, some of them empty. */
function cut(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const ends = [...cuts.map((at) => at % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  return ends.map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end));
}

test("records: an array gives its values, however it is cut", async () => {
  const tricky = fc.string({
    unit: fc.constantFrom("{", "}", '"', "\\", "[", "]", ",", "é", "🏞️"),
  });
  const value = fc.oneof(fc.jsonValue(), tricky, fc.string({ unit: "binary" }));
  const record = fc.oneof(fc.dictionary(fc.oneof(fc.string(), tricky), value), value);
  const space = fc.constantFrom(undefined, 1, "\t", "\r\n ");
  await fc.assert(fc.asyncProperty(
    fc.array(record),
    space,
    fc.array(fc.nat()),
    async (values, indent, cuts) => {
      // Values of JSON, without -0 and lone surrogates.
      const bytes = encoder.encode(JSON.stringify(values, undefined, indent));
      const expected = JSON.parse(new TextDecoder().decode(bytes));
      const texts = await split(...cut(bytes, cuts));
      assertEquals(texts.map((text) => JSON.parse(text)), expected);
    },
  ));
});

test("records: it reads one byte at a time", async () => {
  const text = '\ufeff [ {"é": "}\\"{\\\\"},\n\t{"🏞": [{}]} ]\r\n';
  const bytes = encoder.encode(text);
  assertEquals(await split(...cut(bytes, Array.from(bytes, (_, i) => i))), [
    '{"é": "}\\"{\\\\"}',
    '{"🏞": [{}]}',
  ]);
});

test("records: a bad record is passed on unchanged, and the next is fine", async () => {
  const bad = [
    "{bad}",
    "nothing",
    '{"a brace": "more"}}',
    '{"a comma"} {"less"}',
    '{"a line break": "raw\n}"}',
    '{"a quote": "unescaped" "}"}',
    "{]",
  ];
  const bytes = encoder.encode(`[${bad.map((text) => `${text},\n{}`).join(",\n")}]`);
  const expected = bad.flatMap((text) => [text, "{}"]);
  await fc.assert(fc.asyncProperty(fc.array(fc.nat()), async (cuts) => {
    assertEquals(await split(...cut(bytes, cuts)), expected);
  }));
});

test("records: an endless record is not held forever", async () => {
  const longer = function* () {
    yield encoder.encode('[1,{"name":"');
    for (;;) yield new Uint8Array(100_000).fill(120);
  };
  const error = await assertRejects(async () => {
    for await (const _ of records(longer()));
  }, RecordError);
  assertEquals([error.record, error.message], [
    2,
    "longer than 1048576 bytes: a closing brace or quote is missing",
  ]);
});

test("records: records before a fault come out", async () => {
  const found: string[] = [];
  const error = await assertRejects(async () => {
    for await (const record of records([encoder.encode("[{},{},]")])) {
      found.push(decoder.decode(record));
    }
  }, RecordError);
  assertEquals(found, ["{}", "{}"]);
  assertEquals(error.record, 3);
});

const FAULTS: Array<[string, number, string]> = [
  ["", 1, "the input ends where [ should be"],
  ["{}", 1, '"{" where [ should be'],
  ["[", 1, "the input ends where a record or ] should be"],
  ["[,", 1, '"," where a record or ] should be'],
  ["[{}", 1, "the input ends where , or ] should be"],
  ["[{},", 2, "the input ends where a record should be"],
  ["[{},]", 2, '"]" where a record should be'],
  ["[{},,{}]", 2, '"," where a record should be'],
  ['[{},{"a":"}]', 2, "the input ends inside of a record"],
  ["[{}]]", 2, '"]" where nothing more should be'],
];

for (const [text, record, message] of FAULTS) {
  test(`records: ${text || "nothing"} is a fault in record ${record}`, async () => {
    const error = await assertRejects(() => split(text), RecordError);
    assertEquals([error.record, error.message], [record, message]);
  });
}

test("records: bytes that are not UTF-8 are passed on unchanged", async () => {
  const found: number[][] = [];
  const pieces = [encoder.encode("["), Uint8Array.of(0xff, 0xc3), encoder.encode(",{}]")];
  for await (const record of records(pieces)) found.push([...record]);
  assertEquals(found, [[0xff, 0xc3], [0x7b, 0x7d]]);
});

test("records: nothing more is read after the consumer stops", async () => {
  let read = 0;
  let returned = false;
  function* pieces() {
    try {
      for (;;) yield encoder.encode(read++ === 0 ? "[{}" : ",{}");
    } finally {
      returned = true;
    }
  }
  for await (const record of records(pieces())) {
    if (decoder.decode(record) === "{}" && read === 3) break;
  }
  assertEquals([read, returned], [3, true]);
});
