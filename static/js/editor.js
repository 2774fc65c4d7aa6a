/* A code editor that stays a form field: a <textarea data-editor="html|text|json"> with transparent
   text over a highlighted <pre>. Tab inserts two spaces; Escape then Tab leaves (WCAG 2.1.2).
   Marks: data-marks='[{"line": 18, "level": "error", "text": "…"}]' on the wrapper, set by the server's
   check as the event "editor-marks"; "editor-replace" {"text": "…"} takes a fix. */
(() => {
  "use strict";
  const escape = (text) =>
    text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

  const RULES = {
    html: [
      ["c", "&lt;!--[\\s\\S]*?--&gt;|\\{#[\\s\\S]*?#\\}"],
      ["v", "\\{\\{[\\s\\S]*?\\}\\}|\\{%[\\s\\S]*?%\\}"],
      ["s", "&quot;(?:(?!&quot;)[\\s\\S])*&quot;"],
      ["t", "&lt;/?[a-zA-Z][\\w-]*|/?&gt;"],
      ["a", "(?<=\\s)[a-zA-Z-]+(?==)"],
    ],
    text: [["v", "\\{\\{[\\s\\S]*?\\}\\}|\\{%[\\s\\S]*?%\\}"], ["t", "https?://\\S+"]],
    json: [
      ["t", "&quot;(?:(?!&quot;).)*?&quot;(?=\\s*:)"],
      ["s", "&quot;(?:(?!&quot;).)*?&quot;"],
      ["n", "(?<![\\w#])-?\\d+(?:\\.\\d+)?\\b"],
      ["k", "\\b(?:true|false|null)\\b"],
    ],
  };
  const PATTERNS = Object.fromEntries(Object.entries(RULES).map(([name, rules]) =>
    [name, new RegExp(rules.map(([kind, source]) => `(?<${kind}>${source})`).join("|"), "g")]));

  function highlight(text, language) {
    return escape(text).replace(PATTERNS[language] ?? PATTERNS.text, (...found) => {
      const groups = found.at(-1);
      const kind = Object.keys(groups).find((name) => groups[name] !== undefined);
      const inner = kind === "s"
        ? found[0].replace(/\{\{.*?\}\}|\{%.*?%\}/g, (v) => `<span class="tok-v">${v}</span>`)
        : found[0];
      return `<span class="tok-${kind}">${inner}</span>`;
    });
  }

  function mount(area) {
    if (area.dataset.mounted) return;
    area.dataset.mounted = "1";
    const box = document.createElement("div");
    box.className = "ed";
    const gutter = document.createElement("ol");
    gutter.className = "ed-no";
    gutter.setAttribute("aria-hidden", "true");
    const paper = document.createElement("div");
    paper.className = "ed-paper";
    const under = document.createElement("pre");
    under.className = "ed-under";
    under.setAttribute("aria-hidden", "true");
    area.before(box);
    box.append(gutter, paper);
    paper.append(under, area);
    area.classList.add("ed-text");
    area.spellcheck = false;
    area.wrap = "off";
    let marks = JSON.parse(area.dataset.marks ?? "[]");
    let leaving = false;

    function draw() {
      under.innerHTML = `${highlight(area.value, area.dataset.editor)}\n`;
      const lines = area.value.split("\n").length;
      const here = area.value.slice(0, area.selectionStart).split("\n").length;
      gutter.replaceChildren(...Array.from({ length: lines }, (_, i) => {
        const line = document.createElement("li");
        line.textContent = i + 1;
        const mark = marks.find((m) => m.line === i + 1);
        if (mark) { line.className = mark.level === "error" ? "e" : "w"; line.title = mark.text; }
        if (i + 1 === here) line.classList.add("cur");
        return line;
      }));
      area.style.height = `${lines * 20}px`;
    }

    function change(text, start, end = start) {
      area.value = text;
      area.setSelectionRange(start, end);
      draw();
      area.dispatchEvent(new Event("input", { bubbles: true }));
    }

    area.addEventListener("input", draw);
    area.addEventListener("keyup", draw);
    area.addEventListener("click", draw);
    area.addEventListener("keydown", (event) => {
      if (event.key === "Escape") { leaving = true; return; }
      if (event.key === "Tab" && !leaving && !event.shiftKey) {
        const at = area.selectionStart;
        change(`${area.value.slice(0, at)}  ${area.value.slice(area.selectionEnd)}`, at + 2);
        event.preventDefault();
      }
      leaving = false;
    });
    document.addEventListener("editor-marks", (event) => { marks = event.detail.marks ?? []; draw(); });
    document.addEventListener("editor-replace", (event) => change(event.detail.text, area.selectionStart));
    document.addEventListener("click", (event) => {
      const insert = event.target.closest("[data-insert]");
      if (insert && document.querySelector("[data-editor]") === area) {
        const at = area.selectionStart;
        const text = insert.dataset.insert;
        change(area.value.slice(0, at) + text + area.value.slice(area.selectionEnd), at + text.length);
        area.focus();
      }
      const jump = event.target.closest("[data-line]");
      if (jump) {
        const before = area.value.split("\n").slice(0, jump.dataset.line - 1).join("\n");
        area.setSelectionRange(before.length + (before ? 1 : 0), before.length + 1);
        area.focus();
        box.scrollTop = (jump.dataset.line - 4) * 20;
        draw();
        event.preventDefault();
      }
    });
    draw();
  }

  const mountAll = () => document.querySelectorAll("textarea[data-editor]").forEach(mount);
  document.addEventListener("DOMContentLoaded", mountAll);
  document.addEventListener("htmx:afterSettle", mountAll);
})();
