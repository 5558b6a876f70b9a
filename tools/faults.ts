/**
 * Which fault is tested on which primitive, and how often: the table in docs/faults.md.
 *
 * As a program it writes the table: `deno run -A tools/faults.ts`.
 */

import { contract } from "./contract.ts";
import { table } from "./markdown.ts";
import { tests } from "./test_names.ts";

const PAGE = "docs/faults.md";

/** The letters of the contract's column "on". */
const PRIMITIVES: Record<string, string> = {
  Fanout: "F",
  Aggregator: "A",
  BatchStream: "B",
  ChunkStream: "B",
  "BatchStream with a collector": "B",
  FixedChunkStream: "C",
  MapStream: "M",
  ThrottleStream: "T",
  throttle: "T",
  Singleflight: "S",
};
const primitives = Object.keys(PRIMITIVES);

/** A fault, and how many tests carry it and the name of each primitive. */
export interface Row {
  readonly id: string;
  readonly title: string;
  readonly counts: Readonly<Record<string, number>>;
  /** The primitives that it concerns and that no test holds to it. */
  readonly missing: readonly string[];
  /** The primitives that are excepted, and need not be. */
  readonly needless: readonly string[];
}

/** Every fault of the contract. */
export async function matrix(): Promise<Row[]> {
  const { faults } = await contract();
  const excepted = exceptions(await Deno.readTextFile(PAGE));
  const names = (await tests()).map(({ name }) => name);
  return faults.map(({ id, on, title }) => {
    const carriers = names.filter((name) => name.includes(`[${id}]`));
    const counts = Object.fromEntries(primitives.map((primitive) => [
      primitive,
      carriers.filter((name) => carries(name, primitive)).length,
    ]));
    const concerned = primitives.filter((name) => on === "*" || on.includes(PRIMITIVES[name]!));
    const except = (name: string) => excepted.has(`${id} ${name}`);
    return {
      id,
      title,
      counts,
      missing: concerned.filter((name) => counts[name] === 0 && !except(name)),
      needless: primitives.filter((name) =>
        except(name) && (counts[name]! > 0 || !concerned.includes(name))
      ),
    };
  });
}

/** The page with the table as it should be. */
export async function page(rows: readonly Row[]): Promise<string> {
  const cells = rows.map(({ id, title, counts }) => [
    id,
    title,
    ...primitives.map((name) => counts[name] === 0 ? "-" : String(counts[name])),
  ]);
  const text = await Deno.readTextFile(PAGE);
  return text.replace(/^\| .*\|$/ms, () => table([["id", "case", ...primitives], ...cells]));
}

/** Whether a name has that of a primitive, and not only within a longer one. */
function carries(name: string, primitive: string): boolean {
  const longer = primitives.filter((other) => other !== primitive && other.startsWith(primitive));
  const rest = longer.reduce((text, other) => text.replaceAll(other, ""), name);
  return new RegExp(`\\b${primitive}\\b`).test(rest);
}

/** `F-04 BatchStream` and the like, from lines as `- **F-04** on BatchStream, ChunkStream: why`. */
function exceptions(text: string): Set<string> {
  const found = new Set<string>();
  for (const [, ids, names] of text.matchAll(/^- \*\*(.+?)\*\* on ([^:]+):/gm)) {
    for (const id of ids!.split(", ")) {
      for (const name of names!.replace(/\s+/g, " ").split(", ")) found.add(`${id} ${name}`);
    }
  }
  return found;
}

if (import.meta.main) await Deno.writeTextFile(PAGE, await page(await matrix()));
