/// <reference lib="dom" />
/** The controls: sliders, buttons and single keys. */

import { type Setting, SETTINGS, type Settings } from "./settings.ts";

/** What a button or its key does. */
export type Actions = Readonly<Record<string, () => void>>;

/** The sliders of all settings. */
export class Sliders {
  readonly #inputs = new Map<Setting, { input: HTMLInputElement; output: HTMLOutputElement }>();

  /** `moved` is called while a slider moves, `set` when it has. */
  constructor(host: HTMLElement, moved: () => void, set: () => void) {
    for (const setting of SETTINGS) {
      const { name, label, hint, min, max, step, live } = setting;
      const input = make("input", { id: name, type: "range" });
      Object.assign(input, { min, max, step });
      input.setAttribute("aria-describedby", `${name}-hint`);
      const output = make("output", { id: `${name}-value` });
      output.htmlFor.add(name);
      const slider = make("div", { className: "slider" });
      slider.append(
        make("label", { htmlFor: name, textContent: live ? label : `${label} ↻` }),
        output,
        input,
        make("p", { id: `${name}-hint`, className: "note", textContent: hint }),
      );
      host.append(slider);
      this.#inputs.set(setting, { input, output });
      input.addEventListener("input", () => {
        this.#tell(setting);
        moved();
      });
      input.addEventListener("change", set);
    }
  }

  get settings(): Settings {
    const values = [...this.#inputs].map(([{ name }, { input }]) => [name, input.valueAsNumber]);
    return Object.fromEntries(values);
  }

  set settings(settings: Settings) {
    for (const [setting, { input }] of this.#inputs) {
      input.valueAsNumber = settings[setting.name];
      this.#tell(setting);
    }
  }

  /** Shows the value, also to those who hear it. */
  #tell(setting: Setting): void {
    const { input, output } = this.#inputs.get(setting)!;
    const text = setting.show(input.valueAsNumber);
    output.value = text;
    input.setAttribute("aria-valuetext", text);
  }
}

/** Connects buttons, by their ids, with what they do; `aria-keyshortcuts` is the single key. */
export function connect(actions: Actions, enabled: HTMLInputElement): void {
  const keys = new Map<string, HTMLButtonElement>();
  for (const [id, action] of Object.entries(actions)) {
    const button = element<HTMLButtonElement>(id);
    button.addEventListener("click", action);
    const key = button.getAttribute("aria-keyshortcuts");
    if (key !== null) keys.set(key, button);
  }
  addEventListener("keydown", (event) => {
    const { target, key, ctrlKey, metaKey, altKey } = event;
    if (!enabled.checked || ctrlKey || metaKey || altKey || event.repeat) return;
    if (target instanceof HTMLSelectElement) return;
    keys.get(key.toLowerCase())?.click();
  });
}

/** The element with this id. */
export function element<E extends HTMLElement = HTMLElement>(id: string): E {
  return document.getElementById(id) as E;
}

/** A new element. */
export function make<N extends keyof HTMLElementTagNameMap>(
  name: N,
  properties: Partial<HTMLElementTagNameMap[N]> = {},
): HTMLElementTagNameMap[N] {
  return Object.assign(document.createElement(name), properties);
}
