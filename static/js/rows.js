/* Tables: open a row by clicking anywhere in it, select rows (with Shift a range, or all that
   match), chart and table views of a figure. */
(() => {
  "use strict";
  const { $, $$, on } = window.Herald;
  const boxes = () => $$("[data-select]");
  let last = null;

  function refresh() {
    const all = boxes();
    const chosen = all.filter((box) => box.checked);
    $$("[data-select-all]").forEach((head) => {
      head.checked = all.length > 0 && chosen.length === all.length;
      head.indeterminate = chosen.length > 0 && chosen.length < all.length;
    });
    $$("[data-selected-count]").forEach((count) => {
      count.textContent = chosen.length.toLocaleString("en-GB");
    });
    $$("[data-scope]").forEach((scope) => { scope.value = "ids"; });
    $$("[data-select-matching]").forEach((button) => {
      button.hidden = !(all.length && chosen.length === all.length);
    });
    $$(".bulk").forEach((bar) => bar.classList.toggle("shown", chosen.length > 0));
  }

  function select(box, range) {
    const all = boxes();
    if (range && last && all.includes(last)) {
      const [from, to] = [all.indexOf(last), all.indexOf(box)].sort((a, b) => a - b);
      all.slice(from, to + 1).forEach((other) => { other.checked = box.checked; });
    }
    last = box;
    refresh();
  }

  on("click", (event) => {
    const box = event.target.closest("[data-select]");
    if (box) { select(box, event.shiftKey); return; }
    const head = event.target.closest("[data-select-all]");
    if (head) {
      boxes().forEach((other) => { other.checked = head.checked; });
      refresh();
      return;
    }
    if (event.target.closest("[data-clear-selection]")) clear();
    const matching = event.target.closest("[data-select-matching]");
    if (matching) {
      $("[data-scope]", matching.form).value = "filter";
      $("[data-selected-count]", matching.form).textContent =
        Number(matching.dataset.selectMatching).toLocaleString("en-GB");
      matching.hidden = true;
    }
    const view = event.target.closest("[data-chart-view]");
    if (view) show(view);
    openRow(event);
  });

  function clear() {
    boxes().forEach((box) => { box.checked = false; });
    refresh();
  }

  function openRow(event) {
    const row = event.target.closest("tbody tr");
    const link = row && $("[data-row-link]", row);
    const busy = event.target.closest("a, button, input, select, label, textarea, [popover], dialog");
    if (!link || busy || getSelection().toString()) return;
    if (event.metaKey || event.ctrlKey) window.open(link.href, "_blank", "noopener");
    else link.click();
  }

  function show(button) {
    const box = document.getElementById(button.dataset.chartView);
    const table = button.value === "table";
    $(".pl", box).hidden = table;
    $(".chart-table", box).hidden = !table;
    $$(`[data-chart-view="${button.dataset.chartView}"]`).forEach((other) => {
      other.setAttribute("aria-pressed", String(other === button));
    });
  }

  /* display: grid on the phone takes the table's meaning away; roles give it back. */
  function nameRoles() {
    const roles = { thead: "rowgroup", tbody: "rowgroup", tr: "row", th: "columnheader", td: "cell" };
    $$(".t-stack:not([role])").forEach((table) => table.setAttribute("role", "table"));
    Object.entries(roles).forEach(([tag, role]) => {
      $$(`.t-stack ${tag}:not([role])`).forEach((part) => part.setAttribute("role", role));
    });
  }

  on("htmx:afterSettle", refresh);
  on("htmx:afterSettle", nameRoles);
  on("DOMContentLoaded", nameRoles);
  on("htmx:afterRequest", (event) => {
    if (event.detail.successful && event.detail.elt.matches?.(".bulk")) clear();
  });
  on("DOMContentLoaded", refresh);
  Object.assign(window.Herald, { selectRow: select, clearSelection: clear });
})();
