// Keeps the parts of the page that are marked data-live up to date. The page
// is whole without this script.
"use strict";
(function () {
  const PERIOD_MS = 5000;
  const note = document.getElementById("live");
  const parts = () => Array.from(document.querySelectorAll("[data-live][id]"));
  if (!note || parts().length === 0) {
    return;
  }
  const button = document.createElement("button");
  const state = document.createElement("span");
  state.setAttribute("role", "status");
  button.type = "button";
  note.append(state, " ", button);
  let paused = false;
  let timer = 0;

  function say(text) {
    if (state.textContent !== text) {
      state.textContent = text;
    }
  }

  function isInUse(part) {
    const selection = document.getSelection();
    return part.contains(document.activeElement) || part.querySelector("details[open]") !== null
      || (selection !== null && !selection.isCollapsed && part.contains(selection.anchorNode));
  }

  function take(page) {
    for (const part of parts()) {
      const fresh = page.getElementById(part.id);
      if (fresh && !isInUse(part) && !part.isEqualNode(fresh)) {
        part.replaceWith(document.importNode(fresh, true));
      }
    }
  }

  async function look() {
    try {
      const answer = await fetch(location.href, { cache: "no-store", redirect: "error" });
      if (!answer.ok) {
        throw new Error(String(answer.status));
      }
      take(new DOMParser().parseFromString(await answer.text(), "text/html"));
      say("Live");
    } catch {
      say("No answer from fspd");
    }
    plan();
  }

  function plan() {
    clearTimeout(timer);
    if (!paused && !document.hidden) {
      timer = setTimeout(look, PERIOD_MS);
    }
  }

  function show() {
    button.textContent = paused ? "Resume" : "Pause";
    button.setAttribute("aria-label", paused ? "Resume live update" : "Pause live update");
    say(paused ? "Paused" : "Live");
    plan();
  }

  button.addEventListener("click", function () {
    paused = !paused;
    show();
  });
  document.addEventListener("visibilitychange", plan);
  show();
})();
