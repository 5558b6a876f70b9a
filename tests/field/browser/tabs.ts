/**
 * Drives the tabs of a real browser: opens them, brings them to the front, closes them. It uses the
 * DevTools protocol for Chromium and WebDriver BiDi for Firefox, both as JSON over a WebSocket.
 */

import { deadline } from "@std/async/deadline";
import { type Browser, startBrowser } from "../../../tools/hosts/browser_process.ts";
import { gate } from "../../support/gate.ts";

/** A browser that has not answered after this time, in milliseconds, never answers. */
export const PATIENCE = 20_000;

/** The tabs of one browser. `open` returns the name of a tab. */
export interface Tabs extends AsyncDisposable {
  /** Opens a page in a new tab, in front of the others. */
  open(url: string): Promise<string>;
  /** Brings a tab to the front, which hides the former one. */
  show(tab: string): Promise<void>;
  close(tab: string): Promise<void>;
  /** Returns the awaited value of an expression in the page, as JSON. */
  evaluate(tab: string, expression: string): Promise<unknown>;
}

/** Starts a browser with a fresh profile. */
export async function openTabs(browser: Browser): Promise<Tabs> {
  await using stack = new AsyncDisposableStack();
  const process = await startBrowser(browser, ["--remote-debugging-port=0"], "piped");
  const { promise, resolve, reject } = gate<string>();
  // To its end, or the browser would wait for a reader.
  const reading = readAll(process.stderr, (text) => {
    const address = /ws:\/\/\S+/.exec(text);
    if (address) resolve(address[0]);
  }).then((text) => reject(new Error(`${browser.name} has ended: ${text}`)));
  promise.catch(() => {}); // a browser that ends after its start
  stack.defer(() => process[Symbol.asyncDispose]().then(() => reading));
  const address = await deadline(promise, PATIENCE);
  const bidi = browser.name === "firefox";
  const protocol = stack.use(await connect(bidi ? `${address}/session` : address));
  const tabs = bidi ? await firefoxTabs(protocol) : chromiumTabs(protocol);
  const held = stack.move();
  return { ...tabs, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

type Commands = Omit<Tabs, typeof Symbol.asyncDispose>;

function chromiumTabs({ send }: Protocol): Commands {
  return {
    async open(url) {
      return (await send("Target.createTarget", { url })).targetId as string;
    },
    async show(targetId) {
      await send("Target.activateTarget", { targetId });
    },
    async close(targetId) {
      await send("Target.closeTarget", { targetId });
    },
    async evaluate(targetId, expression) {
      const { sessionId } = await send("Target.attachToTarget", { targetId, flatten: true });
      const params = { expression, awaitPromise: true, returnByValue: true };
      const { result } = await send("Runtime.evaluate", params, sessionId as string);
      return (result as { value?: unknown }).value;
    },
  };
}

async function firefoxTabs({ send }: Protocol): Promise<Commands> {
  await send("session.new", { capabilities: {} });
  return {
    async open(url) {
      const { context } = await send("browsingContext.create", { type: "tab" });
      await send("browsingContext.navigate", { context, url, wait: "none" });
      return context as string;
    },
    async show(context) {
      await send("browsingContext.activate", { context });
    },
    async close(context) {
      await send("browsingContext.close", { context });
    },
    async evaluate(context, expression) {
      const params = { expression, target: { context }, awaitPromise: true };
      const { result } = await send("script.evaluate", params);
      return (result as { value?: unknown }).value;
    },
  };
}

interface Protocol extends AsyncDisposable {
  send(method: string, params: object, sessionId?: string): Promise<Record<string, unknown>>;
}

/** The answer of a browser to a command. */
interface Answer {
  readonly id?: number;
  readonly result?: Record<string, unknown>;
  readonly error?: unknown;
}

async function connect(url: string): Promise<Protocol> {
  const socket = new WebSocket(url);
  const [opened, closed] = [gate(), gate()];
  const waiting = new Map<number, (answer: Answer) => void>();
  socket.onopen = () => opened.resolve();
  socket.onclose = () => closed.resolve();
  socket.onmessage = ({ data }) => {
    const answer = JSON.parse(data) as Answer;
    waiting.get(answer.id ?? 0)?.(answer);
  };
  await deadline(opened.promise, PATIENCE);
  let last = 0;
  return {
    async send(method, params, sessionId) {
      const { promise, resolve } = gate<Answer>();
      const id = ++last;
      waiting.set(id, resolve);
      socket.send(JSON.stringify({ id, method, params, sessionId }));
      const { result, error } = await deadline(promise, PATIENCE);
      waiting.delete(id);
      if (error || !result) throw new Error(`${method}: ${JSON.stringify(error)}`);
      return result;
    },
    async [Symbol.asyncDispose]() {
      socket.close();
      await closed.promise;
    },
  };
}

async function readAll(
  stream: ReadableStream<Uint8Array>,
  seen: (text: string) => void,
): Promise<string> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of stream) {
    text += decoder.decode(chunk, { stream: true });
    seen(text);
  }
  return text;
}
