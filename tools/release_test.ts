/** How a release is made: what the workflows may do, whom they trust, and what they check. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { parse } from "deno-std/yaml/mod.js";
import { complaints } from "./release.ts";

interface Workflow {
  on: Record<string, unknown>;
  permissions: Record<string, string>;
  jobs: Record<string, Job>;
}

interface Job {
  needs?: string;
  permissions?: Record<string, string>;
  steps: Step[];
}

interface Step {
  uses?: string;
  run?: string;
  with?: Record<string, unknown>;
}

const FOLDER = ".github/workflows";
const READ = { contents: "read" };

const sources = new Map<string, string>();
for await (const { name } of Deno.readDir(FOLDER)) {
  sources.set(name, await Deno.readTextFile(`${FOLDER}/${name}`));
}
const workflows = new Map([...sources].map(([name, text]) => [name, parse(text) as Workflow]));
const jobs = [...workflows].flatMap(([name, { jobs }]) =>
  Object.entries(jobs).map(([job, value]) => [`${name}: ${job}`, value] as const)
);
const steps = jobs.flatMap(([name, { steps }]) => steps.map((step) => [name, step] as const));

Deno.test("there are two workflows", () => {
  assertEquals([...sources.keys()].sort(), ["ci.yml", "release.yml"]);
});

Deno.test("workflows may read, and the job that publishes may say who it is", () => {
  assertEquals(workflows.get("ci.yml")!.permissions, READ);
  assertEquals(workflows.get("release.yml")!.permissions, {});
  for (const [name, { permissions }] of jobs) {
    const publishes = name === "release.yml: publish";
    assertEquals(permissions ?? READ, publishes ? { ...READ, "id-token": "write" } : READ, name);
  }
});

Deno.test("workflows run nobody's code but the repository's, and no text of a stranger's", () => {
  for (const [name, { on }] of workflows) {
    const events = Object.keys(on);
    assertEquals(events.filter((event) => !["push", "pull_request"].includes(event)), [], name);
  }
  for (const [name, { run = "" }] of steps) assert(!run.includes("${{"), name);
  for (const [name, text] of sources) assert(!text.includes("secrets."), name);
});

Deno.test("actions are pinned by commit, with the version beside it", () => {
  for (const [name, text] of sources) {
    for (const [line] of text.matchAll(/^.*\buses:.*$/gm)) {
      assertMatch(line, /uses: [\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/, name);
    }
  }
});

Deno.test("no checkout leaves its token behind", () => {
  for (const [name, { uses, with: inputs }] of steps) {
    if (uses?.startsWith("actions/checkout@")) {
      assertEquals(inputs?.["persist-credentials"], false, name);
    }
  }
});

Deno.test("a release has no cache, and no action but the checkout", () => {
  assert(!/cache/i.test(JSON.stringify(workflows.get("release.yml"))));
  for (const [name, { uses }] of steps) {
    if (name.startsWith("release.yml") && uses) assertMatch(uses, /^actions\/checkout@/, name);
  }
});

Deno.test("a release passes the gate, and is published by a Deno of one version", () => {
  const { gate, publish } = workflows.get("release.yml")!.jobs as Record<"gate" | "publish", Job>;
  assertEquals(publish.needs, "gate");
  assert(gate.steps.some(({ run }) => run === ".ci/run"));
  assert(gate.steps.some(({ run }) => run?.endsWith('tools/release.ts "$GITHUB_REF_NAME"')));
  const commands = publish.steps.flatMap(({ run }) => run ?? []);
  assertEquals(commands.map((command) => command.replace(/@\d+\.\d+\.\d+/, "")), [
    "npx -y deno publish",
  ]);
  for (const [name, { run = "" }] of steps) {
    if (run.includes("npx")) assertMatch(run, /^npx -y deno@\d+\.\d+\.\d+ /, name);
  }
});

Deno.test("a tag is released only if it is the version, and the changelog has it", () => {
  const good = {
    tag: "v1.2.3",
    versions: ["1.2.3", "1.2.3"],
    changelog: "# C\n\n## 1.2.3 (2030)\n",
  };
  assertEquals(complaints(good), []);
  assertEquals(complaints({ ...good, tag: "v1.2.4" }).length, 3);
  assertEquals(complaints({ ...good, versions: ["1.2.3", "1.2.2"] }), [
    "the tag is v1.2.3, and the version is 1.2.2",
  ]);
  assertEquals(complaints({ ...good, changelog: "## Unreleased\n\n### 1.2.3\n" }), [
    'CHANGELOG.md has no title "## 1.2.3"',
  ]);
  assertEquals(complaints({ ...good, tag: "1.2.3" }).length, 3);
});
