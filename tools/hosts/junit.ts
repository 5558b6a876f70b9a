/** Reads what the test runners write for machines: all of them can write JUnit's XML. */

import { difference } from "../../tests/support/differences.ts";
import type { HostName } from "../../tests/support/host.ts";
import type { Finished } from "../run.ts";
import type { Report, TestResult } from "./host.ts";

const CASE = /<testcase name="([^"]*)"(?:\s+\w+="[^"]*")*\s*(?:\/>|>([\s\S]*?)<\/testcase>)/g;
const ENTITIES: Record<string, string> = { lt: "<", gt: ">", quot: '"', apos: "'" };

/** The report that a run has left in `path`. One that fails or does nothing never counts as passed. */
export async function report(host: HostName, path: string, finished: Finished): Promise<Report> {
  const xml = await Deno.readTextFile(path).catch(() => "");
  const results = [...xml.matchAll(CASE)].map(([, name, inside]) => result(host, name!, inside));
  const failed = results.some(({ outcome }) => outcome === "failed");
  const complaints = results.length === 0
    ? ["no test has run to its end"]
    : finished.success || failed
    ? []
    : ["the runner failed, though no test did"];
  return { results, complaints, output: finished.output };
}

function result(host: HostName, escaped: string, inside = ""): TestResult {
  const name = unescape(escaped);
  if (/<(failure|error)\b/.test(inside)) return { name, outcome: "failed" };
  if (/<skipped\b/.test(inside)) return { name, outcome: "left out" };
  return { name, outcome: difference(name, host) ? "expected" : "passed" };
}

/** Node 20 escapes quotes twice. */
function unescape(text: string): string {
  return text.replaceAll("&amp;", "&").replace(/&(\w+);/g, (all, name) => ENTITIES[name] ?? all);
}
