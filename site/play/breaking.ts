/// <reference lib="dom" />
/** "Break it": one chooses events, and sees what they do to a sink, and what the model says. */

import { type Actions, element, make } from "./controls.ts";
import type { Answer, Described } from "./replay.ts";

const EXAMPLE = { exploration: "fanout", path: "push, push, push, done 0 & abort" };
const COUNTS = ["accepted", "waiting", "running", "done", "failed", "discarded"] as const;

/** The part of the page. */
export class BreakIt {
  readonly actions: Actions;
  readonly #worker: Worker;
  readonly #select = element<HTMLSelectElement>("exploration");
  #sinks: readonly Described[] = [];
  #path = EXAMPLE.path;
  #answer: Answer | undefined;
  /** How many turns are shown. */
  #shown = 1;

  constructor() {
    this.#worker = new Worker(new URL("replayer.js", import.meta.url), { type: "module" });
    this.#worker.onmessage = ({ data }: MessageEvent<Answer | Described[]>) => {
      if (Array.isArray(data)) this.#fill(data);
      else if (data.path === this.#path && data.exploration === this.#select.value) {
        this.#answer = data;
        this.#show();
      }
    };
    this.#select.addEventListener("change", () => this.#ask("", 0));
    element("events").addEventListener("change", () => this.#offer());
    this.actions = {
      first: () => this.#step(1),
      next: () => this.#step(this.#shown + 1),
      last: () => this.#step(Infinity),
      undo: () => this.#ask(this.#visible().slice(0, -1).join(", "), Infinity),
      example: () => {
        this.#select.value = EXAMPLE.exploration;
        this.#ask(EXAMPLE.path, 1);
      },
    };
  }

  #fill(sinks: readonly Described[]): void {
    this.#sinks = sinks;
    this.#select.append(...sinks.map(({ name }) => make("option", { textContent: name })));
    this.#select.value = EXAMPLE.exploration;
    this.#ask(EXAMPLE.path, 1);
  }

  #ask(path: string, shown: number): void {
    this.#path = path;
    this.#shown = Math.min(shown, turnsOf(path).length);
    this.#answer = undefined;
    this.#worker.postMessage({ exploration: this.#select.value, path });
  }

  #step(shown: number): void {
    if (!this.#answer) return;
    this.#shown = Math.max(Math.min(shown, this.#answer.turns.length), 0);
    this.#show();
  }

  /** The turns that are shown. */
  #visible(): string[] {
    return turnsOf(this.#path).slice(0, this.#shown);
  }

  #show(): void {
    const { exploration, turns, failure } = this.#answer!;
    const { setup } = this.#sinks.find(({ name }) => name === exploration)!;
    element("made-with").textContent = `made with ${setup}`;
    element("steps").replaceChildren(
      ...turns.slice(0, this.#shown).map((turn) => {
        const row = make("tr");
        const { events, stats, items } = turn;
        row.append(make("td", { textContent: events }));
        for (const count of COUNTS) row.append(make("td", { textContent: String(stats[count]) }));
        row.append(
          make("td", { textContent: items.map((item, n) => `${n + 1} ${item}`).join(", ") }),
        );
        return row;
      }),
    );
    const all = this.#shown === turns.length;
    const verdict = element("verdict");
    verdict.dataset.verdict = !all ? "open" : failure === undefined ? "holds" : "broken";
    verdict.textContent = !all
      ? `Step ${this.#shown} of ${turns.length}. The model judges after the last step.`
      : failure ?? verdictOf(this.#answer!);
    const path = this.#visible().join(", ");
    element("command").textContent = `deno task explore --only ${exploration} --path "${path}"`;
    element<HTMLButtonElement>("next").disabled = all;
    element<HTMLButtonElement>("last").disabled = all;
    element<HTMLButtonElement>("first").disabled = this.#shown <= 1;
    element<HTMLButtonElement>("undo").disabled = this.#shown === 0;
    this.#offer();
  }

  /** The events that can come next. */
  #offer(): void {
    const sink = this.#sinks.find(({ name }) => name === this.#select.value);
    const answer = this.#answer;
    if (!sink || !answer) return;
    const all = this.#shown === answer.turns.length;
    const joint = document.querySelector<HTMLInputElement>('[name="join"]:checked')!.value;
    const choices = element("choices");
    // The focus stays where it is.
    const focused = choices.contains(document.activeElement) && document.activeElement?.textContent;
    choices.replaceChildren(...sink.events.map((event) => {
      const possible = all && answer.next.includes(joint + event);
      const button = make("button", { type: "button", textContent: event, disabled: !possible });
      button.addEventListener(
        "click",
        () => this.#ask(this.#path ? this.#path + joint + event : event, Infinity),
      );
      if (focused === event) queueMicrotask(() => button.focus());
      return button;
    }));
  }
}

function verdictOf({ ended, turns }: Answer): string {
  if (turns.length === 0) return "A new sink. Choose its first event.";
  const held = "The model agrees: every promise holds after each step, and at the end.";
  return ended ? `${held} The sink has ended. No event changes it.` : held;
}

function turnsOf(path: string): string[] {
  return path === "" ? [] : path.split(", ");
}
