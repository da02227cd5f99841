// Foreign bytes on the page: as JSON, as text, as hex; the beginning of what is large, all of it on demand, and a
// file of exactly these bytes. Everything becomes text of the page; nothing in it is ever read as markup.

import { button, el } from "./dom.js";
import { bytes, visible } from "./format.js";
import { indented } from "./rawjson.js";

const CUT = 64 * 1024;
const HEX_MOST = 1024 * 1024;
const BLOCK = 16 * 1024;
const HEX_LINE = 16;

/** What an entry's value is: its bytes, and its text where it is one. */
export function valueOf(entry) {
  const text =
    entry.value_encoding === "json" ? entry.raw : entry.value_encoding === "utf-8" ? entry.value : null;
  return {
    encoding: entry.value_encoding,
    text,
    bytes: text === null ? fromBase64(entry.value) : new TextEncoder().encode(text),
  };
}

function fromBase64(text) {
  const signs = atob(text ?? "");
  return Uint8Array.from(signs, (sign) => sign.charCodeAt(0));
}

const VIEWS = {
  json: {
    label: "JSON",
    fits: (value) => value.encoding === "json",
    of: (value, limit) => indented(value.text, limit),
    size: (value) => value.text.length,
    most: Infinity,
  },
  text: { label: "Text", fits: () => true, of: asText, size: (value) => value.bytes.length, most: Infinity },
  hex: { label: "Hex", fits: () => true, of: asHex, size: (value) => value.bytes.length, most: HEX_MOST },
};

/** The value in its views, with a way to all of it. */
export function show(value, filename) {
  const pre = el("pre", { class: "value", tabindex: "0", "aria-label": "Value" });
  const more = el("div", { class: "more" });
  const tabs = Object.entries(VIEWS).filter(([, view]) => view.fits(value));
  const buttons = tabs.map(([name, view]) =>
    button(view.label, () => open(name), { class: "tab", data: { view: name } }),
  );
  const open = (name, limit = CUT) => {
    const view = VIEWS[name];
    for (const one of buttons) one.setAttribute("aria-pressed", String(one.dataset.view === name));
    fill(pre, visible(view.of(value, limit)));
    more.replaceChildren(...rest(view, value, limit, () => open(name, view.most)));
  };
  open(tabs[0][0]);
  const save = button("download", () => download(value.bytes, filename), { class: "text" });
  const head = el(
    "div",
    { class: "value-head" },
    el("h3", {}, "Value"),
    buttons,
    el("span", { class: "dim" }, bytes(value.bytes.length)),
    save,
  );
  return el("div", {}, head, pre, more);
}

function rest(view, value, limit, showAll) {
  const size = view.size(value);
  if (size <= limit) return [];
  if (limit < view.most)
    return [
      el("span", {}, `the first ${bytes(limit)} of ${bytes(size)}`),
      button(view.most < size ? `show ${bytes(view.most)}` : "show all", showAll),
    ];
  return [el("span", {}, `the first ${bytes(limit)} of ${bytes(size)}; the file has all`)];
}

function asText(value, limit) {
  if (value.text !== null && limit >= value.text.length) return value.text;
  return new TextDecoder().decode(value.bytes.subarray(0, limit === Infinity ? undefined : limit));
}

function asHex(value, limit) {
  const lines = [];
  for (let at = 0; at < Math.min(value.bytes.length, limit); at += HEX_LINE)
    lines.push(hexLine(value.bytes.subarray(at, at + HEX_LINE), at));
  return lines.join("\n");
}

function hexLine(part, at) {
  const codes = Array.from(part, (byte) => byte.toString(16).padStart(2, "0"));
  const signs = Array.from(part, (byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : "."));
  const halves = [codes.slice(0, 8).join(" ").padEnd(23), codes.slice(8).join(" ").padEnd(23)];
  return `${at.toString(16).padStart(8, "0")}  ${halves.join("  ")}  ${signs.join("")}`;
}

/** PERF: in blocks that the browser lays out when they come into view: 10 MB in one run would freeze it. */
function fill(pre, text) {
  pre.replaceChildren();
  for (let at = 0; at < text.length;) {
    const lineEnd = text.lastIndexOf("\n", at + BLOCK);
    const end = text.length - at <= BLOCK ? text.length : lineEnd > at ? lineEnd + 1 : at + BLOCK;
    pre.append(el("span", { class: "block" }, text.slice(at, end)));
    at = end;
  }
}

/** Exactly these bytes as a file. */
export function download(content, filename) {
  const address = URL.createObjectURL(new Blob([content], { type: "application/octet-stream" }));
  const link = el("a", { href: address, download: filename });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
