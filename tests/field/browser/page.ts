/**
 * A page that logs on command, and when it is hidden or left. It gets its commands from the server.
 */

import { LogShipper, type Page } from "../../../examples/recipes/beacon.ts";

const { document, navigator, location } = globalThis as unknown as Page & {
  readonly location: { search: string; href: string };
};
const to = new URLSearchParams(location.search).get("to") ?? "/log";
let n = 0;

const logger: { log(event: object): boolean } = { log: () => false };
const log = (count: number) => {
  for (let i = 0; i < count; i++) if (logger.log({ n })) n++;
};
/** Logs two lines at each event for a hidden or left page. */
const listen = () => {
  addEventListener("pagehide", () => log(2));
  addEventListener("visibilitychange", () => document.visibilityState === "hidden" && log(2));
};

listen(); // before the shipper's listener
const shipper = new LogShipper(to, {
  linger: 10,
  maxItems: 10,
  onLost: (lines, reason) => void navigator.sendBeacon("/lost", `${lines.length}: ${reason}`),
});
logger.log = (event) => shipper.log(event);
listen(); // and after it

const commands: Record<string, () => unknown> = {
  log: () => log(35),
  /** As much as fits. */
  async fill() {
    const text = "x".repeat(900);
    while (shipper.log({ n, text })) n++;
    while (shipper.log({ n })) n++;
    await fetch(`/told?${n}`);
  },
  leave: () => location.href = "/away",
};

async function obey(): Promise<void> {
  const response = await fetch("/next");
  const command = await response.text();
  await commands[command]?.();
  if (command !== "leave" && command !== "") await obey();
}

addEventListener("pageshow", async (event) => {
  if ("persisted" in event && event.persisted) await fetch(`/told?persisted`);
  await obey();
});
