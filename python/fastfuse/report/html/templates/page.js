"use strict";
// The switch between light and dark: as the system has it until it is used.
(() => {
  const button = document.getElementById("theme");
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (document.documentElement.dataset.theme || (system.matches ? "dark" : "light")) === "dark";
  const name = () => { button.textContent = isDark() ? "Light" : "Dark"; };
  button.hidden = false;
  button.addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    name();
  });
  system.addEventListener("change", name);
  name();
})();
// What is folded is unfolded on paper, also by browsers whose styles cannot do it.
(() => {
  let folded = [];
  window.addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open])")];
    folded.forEach((one) => { one.open = true; });
  });
  window.addEventListener("afterprint", () => folded.forEach((one) => { one.open = false; }));
})();
// Where links lead stays below the header, of however many rows it is.
(() => {
  const header = document.querySelector("header.top");
  const root = document.documentElement;
  const watch = () => {
    const covers = getComputedStyle(header).position === "sticky" ? header.offsetHeight : 0;
    root.style.scrollPaddingTop = `${covers + 8}px`;
  };
  new ResizeObserver(watch).observe(header);
})();
