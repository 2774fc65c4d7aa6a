/* Focus: whoever presses a button that its answer takes away goes on in the same place, not at
   the top of the document. Fields that need a box to be ticked wait for it. */
(() => {
  "use strict";
  const { $, $$, on } = window.Herald;
  const KEPT = "pressed-in";
  const FRESH = 10000; // a download answers without a new page
  const WATCHED = 5000; // news that was asked for before may still sweep the place once more
  let pressed = null; // the id of what stood around the button, its request, and until when
  let byKey = false;

  const polls = (element) => element.getAttribute("hx-trigger")?.includes("every ");
  const shown = (element) => element.checkVisibility?.() !== false;
  // what a closing dialog hides keeps the focus until the next painting
  const lost = () => {
    const here = document.activeElement;
    return !here || here === document.body || !shown(here);
  };

  function placeOf(element) {
    // a dialog and a menu are gone by then: their opener's place counts
    const layer = element.closest("dialog[id], [popover][id]");
    const id = layer && CSS.escape(layer.id);
    const opener = layer && $(`[data-open="#${id}"], [popovertarget="${id}"]`);
    return (opener ?? element).parentElement?.closest("[id]:not(form)")?.id;
  }

  function land(id, surely = true) {
    const place = id && id !== "main" && document.getElementById(id);
    const usable = (found) => !found.disabled && shown(found);
    const next = place && ($$("button", place).find(usable) ?? $$("a[href]", place).find(usable));
    (next || (surely && document.getElementById("main")))?.focus({ preventScroll: true });
  }

  function regain(xhr) {
    if (pressed && Date.now() < pressed.until && lost()) land(pressed.id, xhr === pressed.xhr);
  }

  on("htmx:beforeSend", (event) => {
    const { elt, requestConfig, xhr } = event.detail;
    if (requestConfig.verb === "get" || polls(elt)) return;
    const button = requestConfig.triggeringEvent?.submitter ?? (elt.matches("button") ? elt : null);
    pressed = button && { id: placeOf(button), xhr, until: Infinity };
  });
  on("htmx:afterSettle", (event) => { regain(event.detail.xhr); });
  on("htmx:afterRequest", (event) => {
    const { xhr } = event.detail;
    if (pressed?.xhr === xhr) pressed.until = Date.now() + WATCHED;
    setTimeout(regain, 50, xhr);
  });

  /* a form without htmx comes back to its page by a redirect; a mouse needs no focus there */
  on("keydown", () => { byKey = true; pressed = null; }, true);
  on("pointerdown", () => { byKey = false; pressed = null; }, true);
  on("submit", (event) => {
    const { target: form, submitter } = event;
    if (form.matches("[hx-post], [hx-get]") || form.method !== "post") return;
    const place = byKey && submitter && placeOf(submitter);
    if (place) sessionStorage.setItem(KEPT, JSON.stringify([location.pathname, place, Date.now()]));
  });
  on("DOMContentLoaded", () => {
    const [path, place, at] = JSON.parse(sessionStorage.getItem(KEPT) ?? "[]");
    sessionStorage.removeItem(KEPT);
    if (path === location.pathname && Date.now() - at < FRESH && lost() && document.getElementById(place)) land(place);
  });

  /* ------------------------------------------- fields that need a ticked box */
  function needs(box) {
    $$(`[data-needs="${CSS.escape(box.id)}"]`).forEach((fields) => { fields.disabled = !box.checked; });
  }
  on("change", (event) => { if (event.target.id && event.target.matches('[type="checkbox"]')) needs(event.target); });
  on("DOMContentLoaded", () => {
    $$("[data-needs]").forEach((fields) => needs(document.getElementById(fields.dataset.needs)));
  });
})();
