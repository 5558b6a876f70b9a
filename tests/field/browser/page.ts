/**
 * A page that logs what it is told to, and when it is hidden or left. It asks the server what to do next.
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
/** Two lines at each event that says that the page is hidden or left. */
const listen = () => {
  addEventListener("pagehide", () => log(2));
  addEventListener("visibilitychange", () => document.visibilityState === "hidden" && log(2));
};

listen(); // before the shipper hears of it
const shipper = new LogShipper(to, {
  linger: 10,
  maxItems: 10,
  onLost: (lines, reason) => void navigator.sendBeacon("/lost", `${lines.length}: ${reason}`),
});
logger.log = (event) => shipper.log(event);
listen(); // and after

const commands: Record<string, () => unknown> = {
  log: () => log(35),
  /** As much as there is room for. */
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
