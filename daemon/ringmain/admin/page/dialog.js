// Asks back, and says what came of it. Everything that changes something enters here first: no act of the page
// goes out without a sentence that says what it does, and to how many.

import { button, el } from "./dom.js";

const SAID_MS = 8000;

/**
 * A question with fields. Resolves to their values by name, or to null when the answer is no.
 * {title, lines, fields: [{name, label, type, value, options, hint, ...attributes}], confirm, danger}
 * A field of type "typed" holds `danger` back until its `wanted` was typed.
 */
export function ask({ title, lines = [], fields = [], confirm, danger = false, body = null }) {
  return new Promise((resolve) => {
    const inputs = fields.map(input);
    const yes = el("button", { type: "submit", class: danger ? "danger" : "primary" }, confirm);
    const no = button("Cancel", () => dialog.close());
    const form = el(
      "form",
      { method: "dialog" },
      el("h2", {}, title),
      lines.map((line) => el("p", {}, line)),
      body,
      inputs.map(({ node }) => node),
      el("div", { class: "buttons" }, no, yes),
    );
    const dialog = el("dialog", { "aria-label": title }, form);
    let answer = null;
    const holdBack = () => {
      yes.disabled = inputs.some(({ field, read }) => field.type === "typed" && read() !== field.wanted);
    };
    form.addEventListener("input", holdBack);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      answer = Object.fromEntries(inputs.map(({ field, read }) => [field.name, read()]));
      dialog.close();
    });
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(answer);
    });
    document.body.append(dialog);
    dialog.showModal();
    holdBack();
    // Enter alone must not delete: what cannot be taken back begins at "Cancel".
    (fields.length ? inputs[0].control : danger ? no : yes).focus();
  });
}

function input(field) {
  const { name, label, type = "text", options, value = "", hint, wanted, ...attributes } = field;
  const control = options
    ? el(
        "select",
        { name },
        options.map(([word, text]) => el("option", { value: word, selected: word === value }, text)),
      )
    : el("input", {
        name,
        type: type === "typed" ? "text" : type,
        autocomplete: "off",
        spellcheck: "false",
        ...attributes,
      });
  if (type === "checkbox") control.checked = Boolean(value);
  else if (!options) control.value = value;
  const node = el("label", { class: "field" }, el("span", {}, label), control, hint && el("small", {}, hint));
  return { field, control, node, read: () => (type === "checkbox" ? control.checked : control.value.trim()) };
}

/** Something to read, and one way out. */
export function tell(title, body) {
  const dialog = el("dialog", { "aria-label": title });
  const close = button("Close", () => dialog.close(), { class: "primary" });
  dialog.append(
    el("form", { method: "dialog" }, el("h2", {}, title), body, el("div", { class: "buttons" }, close)),
  );
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  close.focus();
}

/** One line at the foot of the page; what failed stays until it is dismissed. */
export function announce(text, tone = "ok") {
  const place = document.getElementById("said");
  const line = el("div", { class: `said ${tone}` }, el("span", {}, text));
  const remove = () => line.remove();
  line.append(button("×", remove, { "aria-label": "dismiss" }));
  place.append(line);
  if (tone === "ok") setTimeout(remove, SAID_MS);
}

/** Do it, and say what came of it; the answer, or null when it failed. */
export async function attempt(what, said = (answer) => answer.text) {
  try {
    const answer = await what();
    const text = said(answer);
    if (text) announce(text);
    return answer;
  } catch (error) {
    announce(error.message, "bad");
    return null;
  }
}
