// The filter over the dead set, as the command line has it: a row of boxes, kept in the page's address so that it
// can be sent to a colleague. Reads and writes plain objects; asks nobody.

import { button, el } from "./dom.js";

const FIELDS = [
  ["route", "Route", { list: "routes", size: 8 }],
  ["channel", "Channel", { size: 8, title: "a channel's name" }],
  ["error", "Error", { list: "errors", size: 12, title: "the class, with or without its module" }],
  ["text", "Text", { size: 9, title: "in the error, traceback, key, headers or value" }],
  ["key", "Key", { size: 8 }],
  [
    "where",
    "Where",
    {
      size: 12,
      placeholder: "customer.id=7",
      title: "path=value of the JSON value; several apart by a space-comma-space: a.b=1 , c=2",
    },
  ],
  ["topic", "Topic", { size: 8 }],
  ["partition", "Partition", { size: 3, inputmode: "numeric" }],
  [
    "since",
    "Since",
    { size: 8, placeholder: "2h", title: "died since: 30s 15m 2h 7d ago, or 2026-01-31T12:00:00Z" },
  ],
  ["until", "Until", { size: 8, placeholder: "30m", title: "died before" }],
  ["id", "Id", { size: 8, title: "one or more, apart by spaces" }],
];
const NARROW = "(max-width: 760px)";
const SEVERAL = { where: " , ", id: " " };

/** The form; `onApply(filter)` is called with what is set. */
export class Filters {
  #inputs = new Map();
  #lists = { routes: el("datalist", { id: "routes" }), errors: el("datalist", { id: "errors" }) };

  constructor(onApply) {
    for (const [name, , attributes] of FIELDS) {
      this.#inputs.set(
        name,
        el("input", { name, type: "text", autocomplete: "off", spellcheck: "false", ...attributes }),
      );
    }
    const boxes = FIELDS.map(([name, label]) =>
      el("label", { class: "box" }, el("span", {}, label), this.#inputs.get(name)),
    );
    const clear = () => {
      this.set({});
      onApply({});
    };
    const buttons = [el("button", { type: "submit", class: "primary" }, "Filter"), button("Clear", clear)];
    // On a phone the boxes would fill the screen: there they stay folded until somebody wants them.
    this.fold = el(
      "details",
      { open: !matchMedia(NARROW).matches },
      el("summary", {}, "Filter"),
      el("div", { class: "boxes" }, boxes, el("span", { class: "box-buttons" }, buttons)),
    );
    this.node = el(
      "form",
      { class: "filters", role: "search", "aria-label": "Filter the dead set" },
      this.fold,
      Object.values(this.#lists),
    );
    this.node.addEventListener("submit", (event) => {
      event.preventDefault();
      onApply(this.get());
    });
  }

  get first() {
    return this.#inputs.get("route");
  }

  /** What is set; where and id as lists. */
  get() {
    const found = {};
    for (const [name, input] of this.#inputs) {
      const value = input.value.trim();
      if (value)
        found[name] = SEVERAL[name]
          ? value
              .split(SEVERAL[name])
              .map((one) => one.trim())
              .filter(Boolean)
          : value;
    }
    return found;
  }

  set(filter) {
    for (const [name, input] of this.#inputs) {
      const value = filter[name] ?? "";
      input.value = Array.isArray(value) ? value.join(SEVERAL[name]) : value;
    }
  }

  /** What the boxes propose. */
  propose(routes, errors) {
    fill(this.#lists.routes, routes);
    fill(this.#lists.errors, errors);
  }
}

function fill(list, words) {
  if (list.dataset.now === words.join()) return;
  list.dataset.now = words.join();
  list.replaceChildren(...words.map((word) => el("option", { value: word })));
}

/** `#dead?route=orders&error=KeyError` and back. */
export function toHash(filter) {
  const pairs = Object.entries(filter).flatMap(([name, value]) => [value].flat().map((one) => [name, one]));
  return pairs.length ? `#dead?${new URLSearchParams(pairs)}` : "#dead";
}

export function fromHash(hash) {
  const found = {};
  for (const [name, value] of new URLSearchParams(hash.split("?")[1] ?? "")) {
    if (!FIELDS.some(([known]) => known === name)) continue;
    if (SEVERAL[name]) (found[name] ??= []).push(value);
    else found[name] = value;
  }
  return found;
}

/** `route orders, error KeyError`, or `everything`. */
export function inWords(filter) {
  return (
    Object.entries(filter)
      .map(([name, value]) => `${name} ${[value].flat().join(", ")}`)
      .join(" · ") || "everything"
  );
}

/** As the API takes it in a body: the partition is a number. */
export function asBody({ partition, ...rest }) {
  return partition === undefined ? rest : { ...rest, partition: Number(partition) };
}
