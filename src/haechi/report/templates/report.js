"use strict";
// Filters the answers. Without it every answer stays on the page.
(() => {
  const bar = document.querySelector("[data-filter-bar]");
  if (!bar) return;
  const cards = [...document.querySelectorAll("[data-outcome]")];
  const groups = [...document.querySelectorAll("[data-group]")];
  const buttons = [...bar.querySelectorAll("button")];
  const search = bar.querySelector("input");
  let wanted = "all";
  const apply = () => {
    const needle = search.value.trim().toLowerCase();
    for (const card of cards) {
      const kind = wanted === "all" || card.dataset.outcome === wanted || (wanted === "hacked" && "hacked" in card.dataset);
      card.hidden = !kind || !card.textContent.toLowerCase().includes(needle);
    }
    for (const group of groups) group.hidden = !group.querySelector("[data-outcome]:not([hidden])");
  };
  for (const button of buttons) {
    button.addEventListener("click", () => {
      wanted = button.value;
      for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
      apply();
    });
  }
  search.addEventListener("input", apply);
  bar.hidden = false;
})();
