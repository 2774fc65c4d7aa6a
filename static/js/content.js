/* Editors of content: mending what the lint found, and inserting variables into plain fields (the
   code editor inserts them itself). Saving is the form's own htmx attribute. */
(() => {
  "use strict";
  const { on } = window.Herald;
  let field = null;

  const form = () => document.getElementById("editor");

  function put(target, text, caret) {
    target.value = text;
    target.setSelectionRange?.(caret, caret);
    target.dispatchEvent(new Event("input", { bubbles: true }));
    target.focus();
  }

  on("focusin", (event) => {
    if (event.target.form === form() && event.target.matches('textarea:not([name="sample_data"]), input[type="text"]')) {
      field = event.target;
    }
  });

  on("click", (event) => {
    const fix = event.target.closest("[data-fix]");
    if (fix) {
      const target = form().elements[fix.dataset.fix];
      const { fixFind: find, fixBy: by, fixLine: line } = fix.dataset;
      const before = target.value.split("\n").slice(0, Math.max(0, line - 1)).join("\n").length;
      const near = target.value.indexOf(find, before);
      const at = near < 0 ? target.value.indexOf(find) : near;
      if (at >= 0) put(target, target.value.slice(0, at) + by + target.value.slice(at + find.length), at + by.length);
    }
    const insert = event.target.closest("[data-insert]");
    if (insert && !document.querySelector("[data-editor]")) {
      const target = field?.isConnected ? field : form().querySelector('textarea, input[type="text"]');
      if (!target || target.readOnly) return;
      const at = target.selectionStart ?? target.value.length;
      const text = insert.dataset.insert;
      put(target, target.value.slice(0, at) + text + target.value.slice(target.selectionEnd ?? at), at + text.length);
    }
  });
})();
