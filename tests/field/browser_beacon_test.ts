/**
 * Tests `examples/recipes/beacon.ts` in real browsers: the log of a page reaches the server even if
 * the user leaves. Meanwhile the server holds a batch, so that one batch runs and others wait.
 */

import { assert, assertEquals } from "@std/assert";
import { chromium, firefox } from "../../tools/hosts/browser_process.ts";
import { test } from "../support/test.ts";
import { bundlePage, LogServer } from "./browser/log_server.ts";
import { openTabs, type Tabs } from "./browser/tabs.ts";

/** The lines of the page's `log`. */
const LOGGED = 35;
/** The lines at `pagehide`, and at `visibilitychange`. */
const AT_EACH = 4;

const script = await bundlePage();

type Scene = (tabs: Tabs, server: LogServer) => Promise<void>;

function scene(name: string, body: Scene, browsers = [chromium, firefox]): void {
  for (const browser of browsers) {
    test(`${browser.name}: ${name}`, async () => {
      await using tabs = await openTabs(browser);
      await using server = new LogServer(script);
      await body(tabs, server);
    });
  }
}

scene(
  "a page that goes elsewhere loses no line, the held batch comes twice",
  async (tabs, server) => {
    await logWithOneHeld(tabs, server);
    server.tell("leave");
    await complete(server, LOGGED + 2 * AT_EACH);
    assertEquals(twice(server), server.batches[0]!.lines);
  },
);

// Firefox drops beacons of a closed tab, though `sendBeacon` has returned true.
scene("a closed tab loses no line, the held batch comes twice", async (tabs, server) => {
  const tab = await logWithOneHeld(tabs, server);
  await tabs.close(tab);
  await complete(server, LOGGED + 2 * AT_EACH);
  assertEquals(twice(server), server.batches[0]!.lines);
}, [chromium]);

scene("a hidden tab sends at once, and goes on when it is shown", async (tabs, server) => {
  const tab = await logWithOneHeld(tabs, server);
  await tabs.open("about:blank");
  await complete(server, LOGGED + AT_EACH);
  server.tell("log");
  await complete(server, 2 * LOGGED + AT_EACH);
  await tabs.show(tab);
  server.tell("log");
  await complete(server, 3 * LOGGED + AT_EACH);
  assertEquals(twice(server), server.batches[0]!.lines);
});

scene(
  "a page that comes back from the cache has lost no line, and goes on",
  async (tabs, server) => {
    await logWithOneHeld(tabs, server);
    server.tell("leave");
    await complete(server, LOGGED + 2 * AT_EACH);
    server.tell("back");
    await server.until("back from the cache", () => server.told.includes("persisted"));
    server.tell("log");
    await complete(server, 2 * LOGGED + 2 * AT_EACH);
    const ids = new Set(server.batches.flatMap(({ ids }) => ids));
    assertEquals(ids.size, 2 * LOGGED + 2 * AT_EACH);
  },
);

scene(
  "lines that wait for their next attempt arrive when the page is left",
  async (tabs, server) => {
    server.treatments.push({ status: 503 }, { status: 503 }, { status: 503 });
    await tabs.open(server.origin);
    server.tell("log");
    await server.until("a batch was refused", () => server.batches.length > 0);
    server.tell("leave");
    await complete(server, LOGGED + 2 * AT_EACH);
  },
);

scene("a page that holds as much as it may loses no line", async (tabs, server) => {
  server.treatments.push({ held: true });
  await tabs.open(server.origin);
  server.tell("fill");
  await server.until("the page is full", () => server.told.length > 0);
  const logged = Number(server.told[0]);
  assert(logged * 900 > 36_000, `${logged} lines`);
  server.tell("leave");
  // There is no room for the two lines that the page logs before the shipper's `pagehide` listener.
  await complete(server, logged + 2 * AT_EACH - 2);
});

scene("a server of another origin gets no preflight request", async (tabs, server) => {
  await logWithOneHeld(tabs, server, `/?to=${server.otherOrigin}/log`);
  server.tell("leave");
  await complete(server, LOGGED + 2 * AT_EACH);
  assertEquals(new Set(server.methods), new Set(["POST"]));
});

/** Makes a page log while the server does not answer its first batch. */
async function logWithOneHeld(tabs: Tabs, server: LogServer, path = "/"): Promise<string> {
  server.treatments.push({ held: true });
  const tab = await tabs.open(server.origin + path);
  server.tell("log");
  await server.until("a batch is held", () => server.batches.length > 0);
  return tab;
}

/** Waits until every line has arrived. */
async function complete(server: LogServer, count: number): Promise<void> {
  await server.until(`${count} lines`, () => new Set(server.lines).size === count);
  assertEquals(Math.max(...server.lines), count - 1);
  assertEquals(server.lost, []);
}

/** The lines that have arrived more than once. */
function twice({ lines }: LogServer): number[] {
  return [...new Set(lines.filter((line, index) => lines.indexOf(line) < index))].sort((a, b) =>
    a - b
  );
}
