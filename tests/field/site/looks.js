/** What a page of the site looks like: the part that runs in the page, where the test can call it. */

/** What is behind a page that has no background. */
const CANVAS = { false: [255, 255, 255], true: [18, 18, 18] };

/** What is wrong with the page as it is shown. Its colors are judged on request, in both schemes. */
globalThis.complaints = function complaints(withColors) {
  const found = [...tooWide()];
  if (!withColors) return found;
  // A color that fades is no color to judge.
  document.adoptedStyleSheets.push(stillness());
  const { classList } = document.documentElement;
  for (const scheme of ["light", "dark"]) {
    // So both schemes of vitepress and of the reference are chosen.
    classList.toggle("dark", scheme === "dark");
    for (const what of tooFaint()) found.push(`${scheme}: ${what}`);
  }
  return found;
};

function stillness() {
  const style = new CSSStyleSheet();
  style.replaceSync("*, ::before, ::after { transition: none !important; }");
  return style;
}

function* tooWide() {
  const { scrollWidth, clientWidth } = document.documentElement;
  if (Math.max(scrollWidth, document.body.scrollWidth) <= clientWidth) return;
  const wide = [...document.querySelectorAll("body *")].filter((element) => {
    return element.getBoundingClientRect().right > clientWidth + 1 && !isInScroller(element);
  });
  yield `is ${scrollWidth} px wide: ${wide.slice(0, 3).map(nameOf)}`;
}

function isInScroller(element) {
  for (let each = element.parentElement; each; each = each.parentElement) {
    if (/auto|scroll|hidden|clip/.test(getComputedStyle(each).overflowX)) return true;
  }
  return false;
}

/** Texts whose contrast is less than WCAG wants, one of each pair of colors. */
function* tooFaint() {
  const backs = new Map();
  const elements = new Map();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const { parentElement, textContent } = walker.currentNode;
    const text = textContent.trim();
    if (text !== "") elements.set(kindOf(parentElement), { element: parentElement, text });
  }
  const seen = new Set();
  for (const { element, text } of elements.values()) {
    const { color, fontSize, fontWeight } = getComputedStyle(element);
    const behind = behindOf(element, backs);
    const ratio = contrast(over(colorOf(color), behind), behind);
    const size = parseFloat(fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && Number(fontWeight) >= 700);
    const what = `${color} on ${behind.map(Math.round)}`;
    if (ratio >= (isLarge ? 3 : 4.5) || seen.has(what) || !isVisible(element)) continue;
    seen.add(what);
    yield `"${text.slice(0, 30)}" in ${nameOf(element)}: ${what} is ${ratio.toFixed(1)}`;
  }
}

/** Tokens of code that look alike are one kind. Any other element is its own. */
function kindOf(element) {
  const code = element.closest("pre code");
  if (code === null || code === element) return element;
  const style = element.getAttribute("style");
  return [code.parentElement.className, element.localName, element.className, style].join();
}

function nameOf({ localName, className }) {
  return `<${localName} ${className}>`;
}

function isVisible(element) {
  const { width, height } = element.getBoundingClientRect();
  return width > 1 && height > 1 &&
    element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
}

/** Red, green, blue and alpha of a color. */
function colorOf(text) {
  const parts = text.match(/[\d.]+/g).map(Number);
  const scaled = text.startsWith("color(")
    ? parts.map((part, at) => at < 3 ? part * 255 : part)
    : parts;
  return [...scaled.slice(0, 3), scaled[3] ?? 1];
}

function over([red, green, blue, alpha], behind) {
  return [red, green, blue].map((part, at) => part * alpha + behind[at] * (1 - alpha));
}

function behindOf(element, backs) {
  if (element === null) return CANVAS[matchMedia("(prefers-color-scheme: dark)").matches];
  if (!backs.has(element)) {
    const color = colorOf(getComputedStyle(element).backgroundColor);
    const isOpaque = color[3] === 1;
    const back = isOpaque ? color.slice(0, 3) : over(color, behindOf(element.parentElement, backs));
    backs.set(element, back);
  }
  return backs.get(element);
}

function contrast(one, other) {
  const [dark, light] = [one, other].map(luminance).sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

function luminance(color) {
  const [red, green, blue] = color.map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
