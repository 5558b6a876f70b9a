/**
 * What holds each promise of the contract: a test, how many there are, and how many schedules of
 * the races it has survived. The page is docs/guarantees.md.
 *
 * As a program it writes the page: `deno run -A tools/guarantees.ts`.
 */

import { races } from "../tests/races/all.ts";
import type { Race } from "../tests/races/race.ts";
import { CONTRACT, contract, type Rule, type Section } from "./contract.ts";
import { table } from "./markdown.ts";
import { EACH, figure, recorded, type Schedules } from "./schedules.ts";
import { ids, type Named, tests } from "./test_names.ts";

const PAGE = "docs/guarantees.md";
const RACES_TEST = "tests/races_test.ts";
/** Letters of a promise. */
const ENOUGH = 60;
const HEAD = ["id", "promise", "a test that holds it", "tests", "races", "schedules"];
const RACES_HEAD = ["race", "holds", "schedules", "last run", "its seed"];

/** The page as it should be. What stands above its first heading is kept, and the tests it names. */
export async function page(): Promise<string> {
  const old = await Deno.readTextFile(PAGE);
  const { sections, faults } = await contract();
  const order = [...sections.flatMap(({ rules }) => rules), ...faults].map(({ id }) => id);
  const schedules = await recorded();
  const choices = chosen(old);
  const named = (await tests()).filter(({ file }) => file !== RACES_TEST);
  const [head = ""] = old.split("\n## ");
  const parts = [
    head.trimEnd().replace(/[\d,]+(?= new schedules)/, figure(EACH)),
    ...sections.map((section) => promises(section, named, schedules, choices)),
    `## Races\n\n${table([RACES_HEAD, ...races.map((race) => raceRow(race, order, schedules))])}`,
  ];
  return `${parts.join("\n\n")}\n`;
}

function promises(
  { title, rules }: Section,
  named: readonly Named[],
  schedules: Schedules,
  choices: ReadonlyMap<string, string>,
): string {
  const link = `${CONTRACT.slice("docs/".length)}#${anchor(title)}`;
  const rows = rules.map((rule) => {
    const carriers = named.filter(({ name }) => ids(name).includes(rule.id));
    const test = carriers.find(({ name }) => stem(name) === choices.get(rule.id)) ??
      plainest(carriers);
    const own = races.filter(({ promise }) => ids(promise).includes(rule.id));
    return [
      `[${rule.id}](${link})`,
      inShort(rule),
      test ? `[${stem(test.name)}](../${test.file})` : "-",
      String(carriers.length),
      families(own),
      own.length === 0 ? "-" : figure(sum(own, schedules)),
    ];
  });
  return `## ${title}\n\n${table([HEAD, ...rows])}`;
}

function raceRow(
  { name, promise }: Race,
  order: readonly string[],
  schedules: Schedules,
): string[] {
  const held = order.filter((id) => ids(promise).includes(id));
  const { schedules: count = 0, date = "-", seed = "-" } = schedules[name] ?? {};
  return [`\`${name}\``, held.join(", "), figure(count), date, String(seed)];
}

/** The tests that the page names, by the ids of the rules. */
function chosen(text: string): Map<string, string> {
  const rows = text.matchAll(/^\| \[([\w.]+)\]\(.+?\) +\| .+? \| \[(.+?)\]\(\.\.\//gm);
  return new Map([...rows].map((match) => [match[1]!, match[2]!]));
}

/** The first that holds the least beside it. */
function plainest(carriers: readonly Named[]): Named | undefined {
  return carriers.toSorted((a, b) => ids(a.name).length - ids(b.name).length)[0];
}

/** A name without the ids at its end. */
function stem(name: string): string {
  return name.replace(/( \[[\w.-]+\])+$/, "");
}

/** Its first sentences, until something is said. */
function inShort({ text }: Rule): string {
  let short = "";
  for (const [sentence] of text.matchAll(/.+?\.(?= |$)/g)) {
    short += sentence;
    if (short.length >= ENOUGH) break;
  }
  return short;
}

/** `Fanout 5, Aggregator 7`. */
function families(own: readonly Race[]): string {
  const counts = new Map<string, number>();
  for (const { promise } of own) {
    const [family] = promise.match(/^\w+/)!;
    counts.set(family, (counts.get(family) ?? 0) + 1);
  }
  return [...counts].map(([family, count]) => `${family} ${count}`).join(", ") || "-";
}

function sum(own: readonly Race[], schedules: Schedules): number {
  return own.reduce((total, { name }) => total + (schedules[name]?.schedules ?? 0), 0);
}

/** As GitHub makes them from headings. */
function anchor(title: string): string {
  return title.toLowerCase().replace(/[^\w -]/g, "").replaceAll(" ", "-");
}

if (import.meta.main) await Deno.writeTextFile(PAGE, await page());
