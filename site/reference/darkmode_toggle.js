// The scheme of the reference is the one that the reader chose on the pages of vitepress.

const KEY = "vitepress-theme-appearance";
const system = matchMedia("(prefers-color-scheme: dark)");

function isDark() {
  const chosen = localStorage.getItem(KEY) ?? "auto";
  return chosen === "auto" ? system.matches : chosen === "dark";
}

function show() {
  const dark = isDark();
  document.documentElement.classList.toggle("dark", dark);
  const [moon, sun] = document.getElementById("theme-toggle")?.children ?? [];
  moon?.classList.toggle("hidden", dark);
  sun?.classList.toggle("hidden", !dark);
}

show();
system.addEventListener("change", show);
addEventListener("DOMContentLoaded", () => {
  const toggle = document.getElementById("theme-toggle");
  toggle.removeAttribute("style");
  toggle.addEventListener("click", () => {
    const dark = !isDark();
    localStorage.setItem(KEY, dark === system.matches ? "auto" : dark ? "dark" : "light");
    show();
  });
  show();
});
