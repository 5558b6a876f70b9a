/** Tests the check of docs/contract.md. */

import { assertEquals } from "@std/assert";
import { unheld } from "./contract.ts";

const contract = `# A contract

- **[1]** A rule: of two words.
  - **[F-01]** all but \`throttle\`: a fault.
  - **[F-02]** \`BatchStream\` with
    a collector: another.
- **[1.M1]** A second rule.
`;
const primitives = ["BatchStream", "Fanout", "throttle", "BatchStream with a collector"];
const tests = [
  "BatchStream and Fanout do [1] [F-01]",
  "BatchStream with a collector does [F-01] [F-02]",
  "it does [1.M1]",
];

Deno.test("unheld() has no complaint when each fault has a test on all primitives that it concerns", () => {
  assertEquals(unheld({ contract, tests, primitives, mentions: ["a row [1.M1]"] }), []);
});

Deno.test("unheld() names the rule that no test holds, and the primitive that a fault misses", () => {
  const some = ["BatchStream with a collector does [1] [F-01]", "BatchStream does [F-02]"];
  assertEquals(unheld({ contract, tests: some, primitives, mentions: [] }), [
    "no test holds [1.M1]",
    "no test holds BatchStream to [F-01]",
    "no test holds Fanout to [F-01]",
    "no test holds BatchStream with a collector to [F-02]",
  ]);
});

Deno.test("unheld() names the test, and any other line, with an id that the page does not have", () => {
  const more = [...tests, "it does [2] [1]"];
  assertEquals(unheld({ contract, tests: more, primitives, mentions: ["a.patch [F-09]"] }), [
    "docs/contract.md has no [2]: it does [2] [1]",
    "docs/contract.md has no [F-09]: a.patch [F-09]",
  ]);
});
