/** A user's program without an SDK, because the runtime has one. */

import { trace } from "@opentelemetry/api";
import { Fanout } from "../../../../mod.ts";
import { instrument, observe, snapshot } from "../../mod.ts";

const send = async (to: string) => {
  await Promise.resolve();
  return to.length;
};
const mails = new Fanout(instrument(send, { destination: "mails" }), { snapshot });
observe(mails, { name: "mails" });
await trace.getTracer("user").startActiveSpan("request", async (span) => {
  await mails.submit("ada");
  span.end();
});
// Deno exports metrics at each interval, but not at the end, so this waits until the test has seen
// them.
for await (const _ of Deno.stdin.readable);
