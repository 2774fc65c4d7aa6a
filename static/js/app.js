/* Herald console behaviour: htmx manners, toasts, theme, copying, dialogs, menus, the palette.
   No state lives here: pages come from the server, this file only reacts. rows.js has tables,
   focus.js where the focus goes, keys.js shortcuts, charts.js figures, editor.js the code editor. */
(() => {
  "use strict";
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const on = (event, handler, options) => document.addEventListener(event, handler, options);
  const csrf = () => $('meta[name="csrf-token"]')?.content ?? "";

  /* ---------------------------------------------------------------- htmx */
  if (window.Idiomorph) {
    Idiomorph.defaults.ignoreActiveValue = true; // typed text survives a poll
    Idiomorph.defaults.callbacks.beforeNodeMorphed = (node) => !node.classList?.contains("plot");
    Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, node) =>
      // what a person set in the page is theirs: open folds, selected rows
      !((name === "open" && node.matches("details")) ||
        (name === "checked" && node.matches("[data-select]")));
  }

  on("htmx:configRequest", (event) => {
    event.detail.headers["X-CSRFToken"] = csrf();
  });

  const polls = (element) => element.getAttribute("hx-trigger")?.includes("every ");
  on("htmx:beforeRequest", (event) => {
    const { elt, requestConfig } = event.detail;
    if (document.hidden && polls(elt) && !requestConfig.triggeringEvent) event.preventDefault();
  });

  on("htmx:responseError", (event) => {
    const { status } = event.detail.xhr;
    const said = {
      400: "The page is out of date. Reload it and try again.",
      401: "You are signed out. Reload the page to sign in.",
      403: "Your role does not allow this.",
      404: "This is gone. Reload the page.",
      413: "This is too large.",
      429: "Too many requests. Wait a moment.",
    }[status];
    toast(said ?? "That did not work. Herald could not answer.", "failed");
  });
  on("htmx:sendError", (event) => {
    if (!polls(event.detail.elt)) toast("No connection to Herald.", "failed");
  });
  on("htmx:timeout", () => toast("Herald took too long to answer.", "failed"));
  on("htmx:afterSwap", (event) => {
    $("[data-focus]", event.detail.target)?.focus();
    $("[autofocus]", event.detail.target)?.focus();
  });

  /* -------------------------------------------------------------- toasts */
  const CLOSE_AFTER = { done: 6000, undo: 20000, failed: 20000 };

  function arm(element) {
    const kind = ["undo", "failed"].find((k) => element.classList.contains(`toast-${k}`)) ?? "done";
    let timer;
    const start = () => { timer = setTimeout(() => element.remove(), CLOSE_AFTER[kind]); };
    const stop = () => clearTimeout(timer);
    element.addEventListener("pointerenter", stop);
    element.addEventListener("pointerleave", start);
    element.addEventListener("focusin", stop);
    element.addEventListener("focusout", start);
    start();
  }

  function toast(text, kind = "done", undo = "") {
    const template = document.getElementById(`toast-${kind}`) ?? document.getElementById("toast-done");
    const element = template.content.firstElementChild.cloneNode(true);
    $("[data-toast-text]", element).textContent = text;
    const button = $("[data-undo]", element);
    if (button && undo) button.dataset.undo = undo;
    else button?.remove();
    const open = $("dialog[open]");
    (open ?? document.body).append(document.getElementById("toasts"));
    document.getElementById("toasts").append(element);
    arm(element);
  }
  on("close", (event) => {
    // toasts shown over a dialog outlive it
    if (event.target.contains(document.getElementById("toasts"))) {
      document.body.append(document.getElementById("toasts"));
    }
  }, true);
  on("toast", (event) => toast(event.detail.text, event.detail.kind, event.detail.undo));

  /* ----------------------------------------------------- clicks, by data */
  const actions = {
    "[data-dismiss]": (button) => button.closest("[data-toast]").remove(),
    "[data-undo]": (button) => {
      htmx.ajax("POST", button.dataset.undo, { swap: "none" });
      button.closest("[data-toast]").remove();
    },
    "[data-copy]": copy,
    "[data-reveal]": reveal,
    "[data-open]": (button) => {
      button.closest("[popover]")?.hidePopover();
      openDialog($(button.dataset.open));
    },
    "[data-close]": (button) => button.closest("dialog").close(),
    "[data-close-popover]": (button) => button.closest("[popover]").hidePopover(),
    "[data-palette]": () => openPalette(),
    "[data-drawer]": (button) => openDrawer($(button.dataset.drawer)),
    "[data-theme-choice]": (button) => setTheme(button.dataset.themeChoice),
    '[role="menuitem"]': (item) => {
      if (!item.hasAttribute("popovertarget")) item.closest("[popover]")?.hidePopover();
    },
  };
  on("click", (event) => {
    const refused = event.target.closest('[aria-disabled="true"]');
    if (refused) { event.preventDefault(); event.stopImmediatePropagation(); return; }
    if (event.target.matches(".cmdk, .drawer")) { event.target.close(); return; } // the backdrop
    for (const [selector, act] of Object.entries(actions)) {
      const element = event.target.closest(selector);
      if (element) act(element, event);
    }
  }, true);

  async function copy(button) {
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
    } catch {
      // clipboard needs https or localhost: select the text instead
      const field = Object.assign(document.createElement("textarea"), { value: button.dataset.copy });
      document.body.append(field);
      field.select();
      document.execCommand("copy");
      field.remove();
    }
    toast("Copied");
  }

  function reveal(button) {
    const field = document.getElementById(button.dataset.reveal);
    const shown = field.type === "text";
    field.type = shown ? "password" : "text";
    button.setAttribute("aria-pressed", String(!shown));
    button.setAttribute("aria-label", shown ? "Show password" : "Hide password");
  }

  /* --------------------------------------------------------------- theme */
  function setTheme(choice) {
    document.cookie = `theme=${choice}; path=/; max-age=31536000; samesite=lax`;
    if (choice === "system") document.documentElement.removeAttribute("data-theme");
    else document.documentElement.dataset.theme = choice;
    document.dispatchEvent(new Event("theme-changed"));
  }

  /* ------------------------------------------------------------- dialogs */
  function openDialog(dialog) {
    if (!dialog || dialog.open) return;
    const before = document.activeElement;
    dialog.showModal();
    dialog.addEventListener("close", () => before?.focus?.(), { once: true });
  }

  on("input", (event) => {
    const field = event.target;
    if (field.matches("[data-typed]")) {
      const same = field.value.trim().replaceAll(",", "") === field.dataset.typed.replaceAll(",", "");
      $('[type="submit"]', field.form).disabled = !same;
    }
    if (field.matches(".range")) {
      const share = (field.value - field.min) / (field.max - field.min || 1);
      field.style.setProperty("--v", `${100 * share}%`);
    }
    count(field);
  });
  on("htmx:beforeSwap", (event) => {
    // a modal dialog that a swap takes away would leave the whole page inert
    if (event.detail.xhr.status >= 400) return;
    $$("dialog[open]", event.detail.target).forEach((dialog) => dialog.close());
  });
  on("htmx:afterRequest", (event) => {
    const form = event.detail.elt.closest?.("[data-close-after]");
    if (form && event.detail.xhr.status < 400) form.closest("dialog")?.close();
  });

  function count(field) {
    const counter = field.id && $(`[data-counter="${CSS.escape(field.id)}"]`);
    if (!counter) return;
    // a variable has no length before it is somebody's: it is left out, and the number is rough
    const plain = field.value.replace(/\{\{.*?\}\}|\{%.*?%\}/g, "");
    const length = [...plain].length;
    const rough = plain === field.value ? "" : "about ";
    counter.textContent = `${rough}${length} of ${counter.dataset.max}`;
    counter.classList.toggle("warn-t", length > Number(counter.dataset.max));
  }

  function openDrawer(drawer) {
    if (!drawer.childElementCount) {
      drawer.append(...$$(".side > *:not(script)").map((node) => node.cloneNode(true)));
      $$("[hx-get]", drawer).forEach((node) => node.removeAttribute("hx-get"));
      $$("[id]", drawer).forEach((node) => { node.id += "-drawer"; });
      $$("[popovertarget]", drawer).forEach((node) => {
        node.setAttribute("popovertarget", `${node.getAttribute("popovertarget")}-drawer`);
      });
      $$("[aria-labelledby]", drawer).forEach((node) => {
        node.setAttribute("aria-labelledby", `${node.getAttribute("aria-labelledby")}-drawer`);
      });
    }
    openDialog(drawer);
  }

  /* ------------------------------------------ menus: place and arrow keys */
  on("toggle", (event) => {
    const pop = event.target;
    if (!pop.matches?.("[popover]") || event.newState !== "open") return;
    const opener = $(`[popovertarget="${CSS.escape(pop.id)}"]`)?.getBoundingClientRect();
    if (!opener) return;
    const { width, height } = pop.getBoundingClientRect();
    const below = opener.bottom + 4 + height <= innerHeight || opener.top < height;
    const left = opener.left + width <= innerWidth - 8 ? opener.left : opener.right - width;
    pop.style.left = `${Math.max(8, Math.min(left, innerWidth - width - 8))}px`;
    pop.style.top = `${below ? opener.bottom + 4 : opener.top - height - 4}px`;
    $('input:not([type="hidden"]), select, [role="menuitem"]', pop)?.focus();
  }, true);

  on("keydown", (event) => {
    const list = event.target.closest?.('[role="menu"]');
    if (list && ["ArrowDown", "ArrowUp", "Home", "End"].includes(event.key)) {
      const items = $$('[role="menuitem"]', list);
      const here = items.indexOf(document.activeElement);
      const next = { ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: -1 }[event.key];
      items.at(next % items.length)?.focus();
      event.preventDefault();
    }
  });

  /* ------------------------------------------------------------- palette */
  const palette = document.getElementById("palette");
  const query = document.getElementById("palette-q");

  function openPalette() {
    if (!palette) return;
    $("dialog[open]")?.close();
    openDialog(palette);
    query.select();
    query.dispatchEvent(new Event("palette-open"));
    choose(0);
  }

  function choose(step) {
    const options = $$('[role="option"]:not([hidden])', palette);
    const here = options.findIndex((option) => option.getAttribute("aria-selected") === "true");
    const index = step ? (here + step + options.length) % options.length : 0;
    options.forEach((option, i) => {
      option.id = `palette-${i}`;
      option.setAttribute("aria-selected", String(i === index));
    });
    options[index]?.scrollIntoView({ block: "nearest" });
    if (options.length) query.setAttribute("aria-activedescendant", `palette-${index}`);
  }

  query?.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      choose(event.key === "ArrowDown" ? 1 : -1);
      event.preventDefault();
    } else if (event.key === "Enter") {
      const option = $('[aria-selected="true"]', palette);
      if (option && (event.metaKey || event.ctrlKey)) window.open(option.href, "_blank", "noopener");
      else option?.click();
      event.preventDefault();
    }
  });
  query?.addEventListener("input", () => {
    // without a server route the menu's own entries are narrowed here
    if (query.hasAttribute("hx-get")) return;
    const wanted = query.value.trim().toLowerCase();
    $$('[role="option"]', palette).forEach((option) => {
      option.hidden = !option.textContent.toLowerCase().includes(wanted);
      option.setAttribute("aria-selected", "false");
    });
    choose(0);
  });
  on("htmx:afterSwap", (event) => { if (event.detail.target.id === "palette-results") choose(0); });

  /* --------------------------------------------------------------- start */
  on("DOMContentLoaded", () => {
    $$("#toasts [data-toast]").forEach(arm);
    $$("[data-counter]").forEach((c) => count(document.getElementById(c.dataset.counter)));
    $("[data-focus]")?.focus();
    if (/Mac|iPhone|iPad/.test(navigator.userAgent)) {
      $$("[data-mod]").forEach((key) => { key.textContent = `⌘${key.dataset.mod}`; });
    }
  });
  on("pointerover", (event) => {
    const time = event.target.closest?.("time[datetime]");
    if (time && !time.dataset.local) {
      time.dataset.local = "1";
      const moment = new Date(time.getAttribute("datetime"));
      time.title = `${time.title} · your time ${moment.toLocaleString()}`;
    }
  });

  window.Herald = { $, $$, on, toast, openDialog, openPalette, setTheme };
})();
