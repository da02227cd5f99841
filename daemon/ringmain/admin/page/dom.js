// Makes elements. Every module enters. Whatever is shown goes in as text: nothing here or anywhere on the page
// reads a string as markup.

/** An element: properties (class, on, data, any attribute), then children; strings become text. */
export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) set(node, name, value);
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

function set(node, name, value) {
  if (name === "class") node.className = value;
  else if (name === "data") Object.assign(node.dataset, value);
  else if (name === "on") for (const [event, act] of Object.entries(value)) node.addEventListener(event, act);
  else if (name === "value") node.value = value;
  else if (typeof value === "boolean") node.toggleAttribute(name, value);
  else if (value !== null && value !== undefined) node.setAttribute(name, String(value));
}

/** Change the text only where it differs: a selection, and the screen reader, stay where they are. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** The same for a class. */
export function dress(node, name) {
  if (node.className !== name) node.className = name;
}

/** A button that acts; `hint` is its long name for the pointer and the screen reader. */
export function button(label, act, properties = {}) {
  const { hint, ...rest } = properties;
  return el("button", { type: "button", title: hint, on: { click: act }, ...rest }, label);
}

/** A bar of how full something is; `fill(ratio)` moves it. From `alarm` on it has the colour of trouble. */
export function bar(alarm = 2) {
  const inner = el("i");
  const node = el("span", { class: "bar", "aria-hidden": "true" }, inner);
  node.fill = (ratio) => {
    const percent = Math.max(0, Math.min(100, Math.round(ratio * 100)));
    inner.style.setProperty("width", `${percent}%`);
    dress(node, ratio >= alarm ? "bar full" : "bar");
  };
  return node;
}

/** A link that somebody else told us: only to a web page, else its text alone. */
export function safeLink(address, text) {
  let scheme = "";
  try {
    scheme = new URL(address).protocol;
  } catch {
    /* no address at all */
  }
  if (scheme !== "http:" && scheme !== "https:") return el("span", {}, text);
  return el("a", { href: address, rel: "noreferrer noopener" }, text);
}

/** One panel: a heading, what stands beside it, and its body. */
export function panel(title, body, beside = []) {
  const id = `h-${title.toLowerCase().replace(/\W+/g, "-")}`;
  return el(
    "section",
    { class: "panel", "aria-labelledby": id },
    el("div", { class: "panel-head" }, el("h2", { id }, title), beside),
    body,
  );
}
