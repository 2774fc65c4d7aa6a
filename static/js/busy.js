/* Waiting: nothing under 300 ms, then the region dims; a button that was pressed waits for its
   answer, so that nothing is sent twice. */
(() => {
  "use strict";
  const { $, on } = window.Herald;
  const DIM_AFTER = 300;
  const AGAIN_AFTER = 8000; // a download answers without a new page
  const waiting = new WeakMap(); // request -> what it made busy

  const polls = (element) => element.getAttribute("hx-trigger")?.includes("every ");

  function press(button) {
    if (!button) return;
    button.setAttribute("aria-busy", "true");
    button.setAttribute("aria-disabled", "true");
  }

  function release(button) {
    button?.removeAttribute("aria-busy");
    button?.removeAttribute("aria-disabled");
  }

  on("htmx:beforeSend", (event) => {
    const { elt, target, xhr } = event.detail;
    if (polls(elt)) return;
    const pressed = event.detail.requestConfig.triggeringEvent?.submitter ??
      (elt.matches("button") ? elt : null);
    if (event.detail.requestConfig.verb !== "get") press(pressed);
    const timer = setTimeout(() => target?.setAttribute("aria-busy", "true"), DIM_AFTER);
    waiting.set(xhr, { pressed, target, timer });
  });

  on("htmx:afterRequest", (event) => {
    const wait = waiting.get(event.detail.xhr);
    if (!wait) return;
    clearTimeout(wait.timer);
    wait.target?.removeAttribute("aria-busy");
    release(wait.pressed);
  });

  on("submit", (event) => {
    const form = event.target;
    if (form.matches("[hx-post], [hx-get]") || form.method !== "post") return;
    const button = event.submitter ?? $('[type="submit"]', form);
    // after this event, so that the button's own name and value still travel
    setTimeout(() => press(button));
    setTimeout(() => release(button), AGAIN_AFTER);
  });
  addEventListener("pageshow", (event) => {
    if (event.persisted) document.querySelectorAll(".btn[aria-busy]").forEach(release);
  });
})();
