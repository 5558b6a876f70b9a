/** Runs the two programs at the top of the README, changing only the port of the server. */

import { assertEquals } from "@std/assert";
import { jetstreamManager } from "@nats-io/jetstream";
import { NatsServer } from "../field/nats_server.ts";

const HOME = "packages/nats";
const ORDERS = 1000;

Deno.test("the programs of the README publish a thousand orders, and handle each", async () => {
  const readme = await Deno.readTextFile(`${HOME}/README.md`);
  const [worker, publisher] = [...readme.matchAll(/```ts ignore\n([\s\S]*?)```/g)]
    .map(([, program]) => program!);
  await using server = await NatsServer.start();
  const manager = await jetstreamManager(await server.connect());
  const folder = await Deno.makeTempDir({ dir: HOME, prefix: "readme-" });
  try {
    const start = async (name: string, program: string): Promise<Deno.ChildProcess> => {
      const path = `${folder}/${name}.ts`;
      await Deno.writeTextFile(path, program.replace("127.0.0.1:4222", server.url));
      const args = ["run", "-A", "--quiet", path];
      return new Deno.Command(Deno.execPath(), { args, stdout: "piped", stderr: "inherit" })
        .spawn();
    };
    await using working = await start("worker", worker!);
    const output = working.stdout.pipeThrough(new TextDecoderStream());
    // The worker creates the stream.
    while (!(await manager.streams.names().next()).includes("orders")) await turn();
    await using publishing = await start("publisher", publisher!);
    const published = await publishing.output();
    assertEquals(published.success, true);

    const handled = new Set<string>();
    for await (const text of output) {
      for (const [, order] of text.matchAll(/order: (\d+)/g)) handled.add(order!);
      if (handled.size === ORDERS) break;
    }
    assertEquals(handled.size, ORDERS);
    for (;;) {
      const { num_pending, num_ack_pending } = await manager.consumers.info("orders", "store");
      if (num_pending + num_ack_pending === 0) break;
      await turn();
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 20));
}
