/// <reference lib="dom" />
/** The page: a pipeline that runs, and what one does with it. */

import { BreakIt } from "./breaking.ts";
import { codeOf } from "./code.ts";
import { connect, element, make, Sliders } from "./controls.ts";
import { EXPERIMENTS } from "./experiments.ts";
import { Figures } from "./figures.ts";
import { Picture } from "./picture.ts";
import { Pipeline } from "./pipeline.ts";
import { format, needsRestart, parse } from "./settings.ts";
import { checks } from "./sums.ts";

/** With reduced motion the figures change so often, in milliseconds. */
const CALM = 500;

const host = document.querySelector<HTMLElement>(".pipeline")!;
const picture = new Picture(host, element<HTMLCanvasElement>("dots"));
const figures = new Figures();
const sliders = new Sliders(element("sliders"), adjust, adjust);
const still = matchMedia("(prefers-reduced-motion: reduce)");
const pause = element<HTMLButtonElement>("pause");
const breakIt = new BreakIt();

sliders.settings = parse(location.hash);
let pipeline = new Pipeline(sliders.settings);
let frames = 0;
let broken = 0;
let shownAt = -Infinity;

/** The sliders have changed. */
function adjust(): void {
  const { settings } = sliders;
  if (needsRestart(pipeline.settings, settings)) restart();
  else pipeline.change(settings);
  describe();
}

function restart(): void {
  pipeline.abort();
  picture.clear();
  pipeline = new Pipeline(sliders.settings);
}

/** Shows what depends on the settings alone. */
function describe(): void {
  const hash = format(sliders.settings);
  element("code").textContent = codeOf(sliders.settings);
  if (location.hash !== hash) history.replaceState(null, "", hash);
  let see = "Settings of your choice.";
  for (const link of document.querySelectorAll<HTMLAnchorElement>(".experiments a")) {
    const chosen = link.hash === hash;
    if (chosen) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
    if (chosen) see = link.dataset.see!;
  }
  element("see").textContent = see;
}

async function copy(): Promise<void> {
  const said = element("copied");
  try {
    await navigator.clipboard.writeText(element("code").textContent!);
    said.textContent = "Copied. Paste it into a file of a project that has @weir/streams.";
  } catch {
    getSelection()!.selectAllChildren(element("code"));
    said.textContent = "The browser doesn't allow it. The code is selected: copy it by hand.";
  }
}

function frame(now: number): void {
  const held = checks(pipeline);
  frames++;
  if (held.some(({ holds }) => !holds)) broken++;
  const { phase } = pipeline;
  const over = phase === "closed" || phase === "aborted";
  const wait = still.matches ? CALM : 0;
  if (now - shownAt >= wait) {
    shownAt = now;
    host.classList.toggle("still", still.matches);
    figures.show(pipeline, held, performance.now());
    figures.count(frames, broken);
    pause.textContent = phase === "paused" ? "Resume" : "Pause";
    for (const id of ["pause", "abort", "close"]) {
      element<HTMLButtonElement>(id).disabled = over || (id === "close" && pipeline.closing);
    }
  }
  const ended = pipeline.takeEnded();
  if (!still.matches) picture.draw(pipeline, ended, performance.now());
  requestAnimationFrame(frame);
}

for (const { name, settings, see } of EXPERIMENTS) {
  const link = make("a", { href: format(settings), textContent: name });
  link.dataset.see = see;
  link.addEventListener("click", () => {
    // The same address again starts anew, too.
    if (location.hash === link.hash) restart();
  });
  document.querySelector(".experiments")!.append(link);
}
addEventListener("hashchange", () => {
  sliders.settings = parse(location.hash);
  restart();
  describe();
});
connect({
  pause: () => pipeline.phase === "paused" ? pipeline.resume() : pipeline.pause(),
  abort: () => pipeline.abort(),
  close: () => pipeline.close(),
  restart,
  copy,
  ...breakIt.actions,
}, element<HTMLInputElement>("shortcuts"));
describe();
requestAnimationFrame(frame);
