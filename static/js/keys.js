/* Keyboard shortcuts. Single letters are ignored in fields and can be switched off (WCAG 2.1.4). */
(() => {
  "use strict";
  const { $, $$, on, openDialog, openPalette, selectRow, clearSelection } = window.Herald;
  const OFF = "herald.singleKeys";
  let afterG = 0;

  const typing = (element) =>
    element.closest?.('input:not([type="checkbox"]):not([type="radio"]), textarea, select, [contenteditable="true"]');
  const follow = (selector) => {
    const element = $(selector);
    if (!element) return false;
    element.click();
    return true;
  };

  function rows() { return $$("tbody tr").filter((row) => $("[data-row-link], [data-select]", row)); }

  function move(step) {
    const all = rows();
    if (!all.length) return false;
    const here = all.findIndex((row) => row.contains(document.activeElement));
    const next = all[Math.max(0, Math.min(all.length - 1, here < 0 ? 0 : here + step))];
    ($("[data-row-link]", next) ?? $("[data-select]", next)).focus();
    return true;
  }

  function selectHere(range) {
    const row = document.activeElement.closest("tr");
    const box = row && $("[data-select]", row);
    if (!box) return false;
    box.checked = range ? true : !box.checked;
    selectRow(box, range);
    return true;
  }

  const single = {
    "/": () => {
      const field = $("[data-search]");
      field?.focus();
      field?.select();
      return Boolean(field);
    },
    c: () => follow('[aria-keyshortcuts="c"]'),
    e: () => follow('[aria-keyshortcuts="e"]'),
    j: () => move(1),
    k: () => move(-1),
    ArrowDown: () => document.activeElement.closest("tbody") && move(1),
    ArrowUp: () => document.activeElement.closest("tbody") && move(-1),
    x: () => selectHere(false),
    X: () => selectHere(true),
    o: () => {
      const row = document.activeElement.closest("tr");
      const link = row && $("[data-row-link]", row);
      link?.click();
      return Boolean(link);
    },
    "[": () => follow('[aria-keyshortcuts="["]'),
    "]": () => follow('[aria-keyshortcuts="]"]'),
    "?": () => { openDialog(document.getElementById("shortcuts")); return true; },
  };

  function withModifier(event) {
    const key = event.key.toLowerCase();
    if (key === "k") { openPalette(); return true; }
    if (key === "s") return follow("[data-save]");
    if (key === "enter") {
      const form = document.activeElement.form;
      const submit = (form && $('[type="submit"]', form)) ?? $("[data-continue]");
      submit?.click();
      return Boolean(submit);
    }
    return false;
  }

  on("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing) return;
    if (event.ctrlKey || event.metaKey) {
      if (withModifier(event)) event.preventDefault();
      return;
    }
    if (event.key === "Escape" && !$("dialog[open], :popover-open")) { clearSelection(); return; }
    if (event.altKey || typing(event.target) || $("dialog[open]")) return;
    if (localStorage.getItem(OFF) === "off") return;
    if (event.key === "g") { afterG = Date.now(); return; }
    if (Date.now() - afterG < 1200) {
      afterG = 0;
      const place = $(`[data-go="${CSS.escape(event.key)}"]`);
      if (place) { place.click(); event.preventDefault(); }
      return;
    }
    if (single[event.key]?.()) event.preventDefault();
  });

  on("change", (event) => {
    if (event.target.matches("[data-single-keys]")) {
      localStorage.setItem(OFF, event.target.checked ? "on" : "off");
    }
  });
  on("DOMContentLoaded", () => {
    $$("[data-single-keys]").forEach((box) => { box.checked = localStorage.getItem(OFF) !== "off"; });
  });
})();
