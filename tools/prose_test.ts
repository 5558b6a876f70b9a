/** What people read is plain English: no phrase of the list below, in pages, comments and messages. */

import { assert } from "@std/assert";

/** A phrase that a reader stumbles over, and what to write. */
const PHRASES: readonly [phrase: RegExp, instead: string][] = [
  [/\bwhoever\b/i, "a caller that, anyone who"],
  [/\bwhatever\b/i, "any, every, all that"],
  [/\bnobody\b/i, "no one, no caller; say which"],
  [/\b(any|some)body\b/i, "anyone, someone; better: the caller, the consumer, the user"],
  [/\bthe very\b/i, "leave it out, or: the same"],
  [/\bwhat is held\b/i, "the items that wait"],
  [/\bof (its|their|your|his) own\b/i, "its own ..., your own ..."],
  [/\bin place of\b/i, "instead of"],
  [/\bbut for\b/i, "except, apart from"],
  [/\bfor ever\b/i, "forever"],
  [/\ban other\b/i, "another"],
  [/\bof whom\b/i, "turn the sentence"],
  [/\b(is|be|are|was) had\b/i, "is available"],
  [/\blikewise\b/i, "the same, also"],
  [/\bat hand\b/i, "available, already there"],
];

const FOLDERS = [
  "docs",
  "src",
  "tests",
  "tools",
  "examples",
  "packages",
  "bench",
  "site",
  ".github",
];
const FILES = /\.(md|ts|mts|js|html|yml)$/;
const SKIPPED = /node_modules|prose_test\.ts$|\.build|\.vitepress\/(cache|dist)/;

async function* files(folder: string): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = folder === "." ? name : `${folder}/${name}`;
    if (SKIPPED.test(path)) continue;
    if (isDirectory) {
      if (folder !== ".") yield* files(path);
    } else if (FILES.test(name)) yield path;
  }
}

for (const folder of [".", ...FOLDERS]) {
  Deno.test(`${folder} is written in plain English`, async () => {
    const found: string[] = [];
    for await (const path of files(folder)) {
      // A phrase may go over the end of a line, also of a comment.
      const text = (await Deno.readTextFile(path)).replace(/\n\s*(\*|\/\/|>)? ?/g, " ");
      for (const [phrase, instead] of PHRASES) {
        for (const { index } of text.matchAll(new RegExp(phrase, "gi"))) {
          const around = text.slice(Math.max(0, index - 30), index + 40);
          found.push(`${path}: "…${around}…": write: ${instead}`);
        }
      }
    }
    assert(found.length === 0, `\n${found.join("\n")}`);
  });
}
