/** Tests the content of a release, and the permissions of the workflows. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { parse } from "deno-std/yaml/mod.js";
import { glob } from "node:fs/promises";
import { entriesOf, packages, shortName } from "./packages.ts";
import { complaints } from "./release.ts";
import { deno, run } from "./run.ts";
import { binary } from "./runtimes.ts";

// A base class of `mod.ts`, which is not an entry point.
const BASE = "src/sink.ts";

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
  if?: string;
  "working-directory"?: string;
  with?: Record<string, unknown>;
}

const FOLDER = ".github/workflows";
const READ = { contents: "read" };

const texts = new Map<string, string>();
for await (const { name } of Deno.readDir(FOLDER)) {
  texts.set(name, await Deno.readTextFile(`${FOLDER}/${name}`));
}
const workflows = new Map([...texts].map(([name, text]) => [name, parse(text) as Workflow]));
const jobs = [...workflows].flatMap(([name, { jobs }]) =>
  Object.entries(jobs).map(([job, value]) => [`${name}: ${job}`, value] as const)
);
const steps = jobs.flatMap(([name, { steps }]) => steps.map((step) => [name, step] as const));

const config = await json("deno.json");
const [, ...beside] = await packages();
const entries: Array<[string, string]> = Object.entries(config.exports);
const sources = ["mod.ts", ...await Array.fromAsync(glob("src/**/*.ts"))];

Deno.test("deno.json and jsr.json agree on common entries", async () => {
  const jsr = await json("jsr.json");
  for (const key of Object.keys(jsr)) assertEquals(config[key], jsr[key], key);
  for (const key of ["name", "version", "license", "exports", "publish"]) assert(key in jsr, key);
});

Deno.test("every primitive is an entry point, and every entry point a primitive", () => {
  const primitives = sources.filter((path) => path.split("/").length === 2 && path !== BASE)
    .map((path) => [`./${path.slice(4, -3).replaceAll("_", "-")}`, `./${path}`]);
  assertEquals(Object.fromEntries(entries), {
    ".": "./mod.ts",
    ...Object.fromEntries(primitives),
  });
});

for (const runtime of ["deno", "bun", "node24"] as const) {
  Deno.test(`every entry point can be imported alone in ${runtime}, unbuilt`, async () => {
    const [command, ...args] = runtime === "deno"
      ? [Deno.execPath(), "run", "--no-config", "--no-lock", "--no-npm"]
      : [await binary(runtime)];
    for (const [name, path] of entries) {
      const { success, output } = await run(command!, [...args, path]);
      assert(success, `${name}: ${output}`);
      assertEquals(output, "", name);
    }
  });
}

for (const of of beside) {
  const { folder, name } = of;
  Deno.test(`JSR would get only the sources of ${name}, its manifest and its papers`, async () => {
    const found = await Array.fromAsync(glob(`${folder}/src/**/*.ts`));
    const papers = ["LICENSE", "README.md", "deno.json"].map((path) => `${folder}/${path}`);
    const dashboards = await Array.fromAsync(glob(`${folder}/grafana/*.json`));
    const expected = new Set([...entriesOf(of), ...found, ...papers, ...dashboards]);
    assertEquals(await published(folder), [...expected].sort());
    assertEquals(await Deno.readTextFile(`${folder}/LICENSE`), await Deno.readTextFile("LICENSE"));
  });

  Deno.test(`${name} has the version and the license of the library`, async () => {
    const { version, license } = await json(`${folder}/deno.json`);
    assertEquals([version, license], [config.version, config.license]);
    const { peerDependencies } = await json(`${folder}/package.json`);
    const library = peerDependencies[config.name] ?? `^${config.version}`;
    assertEquals(library, `^${config.version}`, "which library it wants beside it");
  });
}

Deno.test("JSR would get only the sources, their manifests and their papers", async () => {
  const papers = ["CHANGELOG.md", "LICENSE", "README.md", "deno.json", "jsr.json"];
  assertEquals(await published("."), [...sources, ...papers].sort());
});

Deno.test("package.json has only development dependencies, and in a package peer dependencies", async () => {
  const packaged = beside.map(({ folder }) => `${folder}/package.json`);
  for (const path of ["package.json", "tests/consumer/package.json", ...packaged]) {
    const manifest = await json(path);
    assertEquals(manifest["private"], true);
    const kinds = Object.keys(manifest).filter((key) => /dependencies$/i.test(key));
    const peers = packaged.includes(path) ? ["peerDependencies"] : [];
    assertEquals(kinds, [...peers, "devDependencies"]);
    const versions: string[] = Object.values(manifest["devDependencies"]);
    for (const version of versions) assertMatch(version, /^(npm:.+@)?\d+\.\d+\.\d+$/);
  }
});

Deno.test("the lock files name no host", async () => {
  assertEquals((await Deno.readTextFile("deno.lock")).match(/\w+:\/\/\S+/g), null);
  const { packages } = await json("tests/consumer/package-lock.json");
  const named = Object.keys(packages).filter((path) => packages[path].resolved !== undefined);
  assertEquals(named, []);
});

Deno.test("there are two workflows", () => {
  assertEquals([...texts.keys()].sort(), ["ci.yml", "release.yml"]);
});

Deno.test("workflows have read permission, and the publishing jobs an identity token", () => {
  assertEquals(workflows.get("ci.yml")!.permissions, READ);
  assertEquals(workflows.get("release.yml")!.permissions, {});
  for (const [name, { permissions }] of jobs) {
    const publishes = ["release.yml: jsr", "release.yml: npm"].includes(name);
    assertEquals(permissions ?? READ, publishes ? { ...READ, "id-token": "write" } : READ, name);
  }
});

Deno.test("workflows run only code of the repository, and no text of strangers", () => {
  for (const [name, { on }] of workflows) {
    const events = Object.keys(on);
    assertEquals(events.filter((event) => !["push", "pull_request"].includes(event)), [], name);
  }
  for (const [name, { run = "" }] of steps) assert(!run.includes("${{"), name);
  for (const [name, text] of texts) assert(!text.includes("secrets."), name);
});

Deno.test("actions are pinned by commit, with the version beside it", () => {
  for (const [name, text] of texts) {
    for (const [line] of text.matchAll(/^.*\buses:.*$/gm)) {
      assertMatch(line, /uses: [\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/, name);
    }
  }
});

Deno.test("no checkout keeps its token", () => {
  for (const [name, { uses, with: inputs }] of steps) {
    if (uses?.startsWith("actions/checkout@")) {
      assertEquals(inputs?.["persist-credentials"], false, name);
    }
  }
});

Deno.test("a release has no cache, and no action except the checkout", () => {
  assert(!/cache/i.test(JSON.stringify(workflows.get("release.yml"))));
  for (const [name, { uses }] of steps) {
    if (name.startsWith("release.yml") && uses) assertMatch(uses, /^actions\/checkout@/, name);
  }
});

Deno.test("a release passes the gate, and is published to JSR and npm by tools of one version", () => {
  const { gate, ...publishing } = workflows.get("release.yml")!.jobs as Record<string, Job>;
  assert(gate!.steps.some(({ run }) => run === ".ci/run"));
  assert(gate!.steps.some(({ run }) => run?.endsWith('tools/release.ts "$GITHUB_REF_NAME"')));
  const commands = Object.entries(publishing).map(([name, { needs, steps }]) => {
    assertEquals(needs, "gate", name);
    return [name, steps.flatMap(({ run }) => run?.replace(/@\d+\.\d+\.\d+/, "") ?? [])];
  });
  assertEquals(Object.fromEntries(commands), {
    jsr: ["npx -y deno publish", ...beside.map(() => "npx -y deno publish")],
    npm: [
      "npx -y deno task npm",
      ...["streams", ...beside.map(shortName)].map((name) =>
        `npx -y npm publish ./.build/npm/${name} --provenance --access public`
      ),
    ],
  });
  const again = publishing["npm"]!.steps.slice(3).map((step) => step.if);
  assertEquals(again, beside.map(() => "${{ !cancelled() }}"), "a release is run again");
  const folders = publishing["jsr"]!.steps.map((step) => step["working-directory"]);
  assertEquals(folders.slice(2), beside.map(({ folder }) => folder));
  for (const [name, { run = "" }] of steps) {
    if (run.includes("npx")) assertMatch(run, /^npx -y (deno|npm)@\d+\.\d+\.\d+ /, name);
  }
});

Deno.test("a tag is released only if it equals the version and the changelog has it", () => {
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

/** Returns the files of a package that JSR would get, in order. */
async function published(folder: string): Promise<string[]> {
  const { success, output } = await deno(["publish", "--dry-run", "--allow-dirty"], {
    cwd: folder,
  });
  assert(success, output);
  const root = new URL("../", import.meta.url).href;
  return [...output.matchAll(/^\s*(file:\S+) \(/gm)]
    .map(([, url]) => url!.slice(root.length)).sort();
}

// deno-lint-ignore no-explicit-any
async function json(path: string): Promise<any> {
  return JSON.parse(await Deno.readTextFile(path));
}
