/* The composer: put channels in order by dragging or with the arrow keys, put variables into the
   field that was last used, mend what the lint found, keep figures in place while new ones are counted. */
(() => {
  "use strict";
  const { $, $$, on } = window.Herald;

  /* ------------------------------------------------- order of the channels */
  function renumber(list, moved) {
    const rows = [...list.children];
    rows.forEach((row, index) => {
      $(".ord", row).textContent = index + 1;
      $("[data-grip]", row).setAttribute(
        "aria-label",
        `Move ${row.dataset.name}, now ${index + 1} of ${rows.length}. Arrow keys move it.`,
      );
    });
    const said = $("[data-moved]");
    if (said) said.textContent = `${moved.dataset.name}, ${rows.indexOf(moved) + 1} of ${rows.length}`;
  }

  function changed(row) {
    $('input[name="order"]', row).dispatchEvent(new Event("change", { bubbles: true }));
  }

  on("keydown", (event) => {
    const grip = event.target.closest?.("[data-grip]");
    if (!grip || !["ArrowUp", "ArrowDown"].includes(event.key)) return;
    event.preventDefault();
    const row = grip.closest("li");
    const other = event.key === "ArrowUp" ? row.previousElementSibling : row.nextElementSibling;
    if (!other) return;
    if (event.key === "ArrowUp") other.before(row);
    else other.after(row);
    grip.focus();
    renumber(row.parentElement, row);
    changed(row);
  });

  on("pointerdown", (event) => {
    const grip = event.target.closest?.("[data-grip]");
    if (!grip || event.button) return;
    const row = grip.closest("li");
    const list = row.parentElement;
    const before = [...list.children].indexOf(row);
    row.classList.add("dragged");
    event.preventDefault(); // no selecting of text on the way
    grip.focus();
    const move = ({ clientY }) => {
      const target = [...list.children].find((other) => {
        const box = other.getBoundingClientRect();
        return other !== row && clientY > box.top && clientY < box.bottom;
      });
      if (!target) return;
      const rows = [...list.children];
      if (rows.indexOf(target) < rows.indexOf(row)) target.before(row);
      else target.after(row);
    };
    const stop = () => {
      // a row that is moved in the page would lose a captured pointer: the document listens
      document.removeEventListener("pointermove", move);
      document.removeEventListener("pointercancel", stop);
      row.classList.remove("dragged");
      if ([...list.children].indexOf(row) === before) return;
      renumber(list, row);
      changed(row);
    };
    on("pointermove", move);
    on("pointerup", stop, { once: true });
    on("pointercancel", stop, { once: true });
  });

  /* --------------------------------------------------------------- variables */
  let field = null;
  on("focusin", (event) => {
    if (event.target.matches?.("[data-takes-variables]")) field = event.target;
  });
  on("click", (event) => {
    const choice = event.target.closest("[data-variable]");
    if (!choice) return;
    const into = field?.isConnected ? field : $("[data-takes-variables]");
    if (!into) return;
    into.setRangeText(choice.dataset.variable, into.selectionStart, into.selectionEnd, "end");
    into.dispatchEvent(new Event("input", { bubbles: true }));
    into.focus();
  });

  on("click", (event) => {
    const fix = event.target.closest("[data-fix]");
    const into = fix && document.getElementById("step-form").elements[fix.dataset.fix];
    if (!into) return;
    const at = into.value.indexOf(fix.dataset.fixFind);
    if (at < 0) return;
    into.setRangeText(fix.dataset.fixBy, at, at + fix.dataset.fixFind.length, "end");
    into.dispatchEvent(new Event("input", { bubbles: true }));
    into.focus();
  });

  /* ----------------------------------------------------------------- figures */
  const before = window.Idiomorph?.defaults.callbacks.beforeNodeMorphed;
  if (before) {
    window.Idiomorph.defaults.callbacks.beforeNodeMorphed = (old, fresh) =>
      // what was not counted again yet keeps its number
      !(old.classList?.contains("reachbar") && !fresh.childElementCount) && before(old, fresh);
  }
})();
