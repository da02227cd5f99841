// The keyboard: one letter an act, listed with "?". Silent while somebody types or a question is open.

import { el } from "./dom.js";
import { tell } from "./dialog.js";

const known = [];

/** From now on `key` does `act` where `when()` holds; `what` says so in the list. */
export function onKey(key, what, act, when = () => true) {
  known.push({ key, what, act, when });
}

/** Begin to listen. */
export function listen() {
  onKey("?", "this list", showKeys);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (document.querySelector("dialog[open]") || isTyping(event.target)) return leave(event);
    const found = known.find(({ key, when }) => key === event.key && when());
    if (!found) return undefined;
    event.preventDefault();
    return found.act();
  });
}

/** Escape gives the keyboard back to the page. */
function leave(event) {
  if (event.key === "Escape" && isTyping(event.target)) event.target.blur();
}

function isTyping(target) {
  return target instanceof HTMLElement && target.matches("input:not([type=checkbox]), textarea, select");
}

export function showKeys() {
  const rows = known.map(({ key, what }) =>
    el("tr", {}, el("td", {}, el("kbd", {}, key)), el("td", {}, what)),
  );
  tell("Keys", el("table", { class: "keys" }, el("tbody", {}, rows)));
}
