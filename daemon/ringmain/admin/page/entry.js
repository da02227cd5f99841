// One dead message in full: why it is dead, where it came from, what it holds; and what can be done with it:
// replay, replay with another value, delete.

import * as api from "./api.js";
import { attempt } from "./dialog.js";
import { button, el } from "./dom.js";
import { bytes, count, moment, momentOf, shownBytes, visible, visibleLine } from "./format.js";
import { compact, indented } from "./rawjson.js";
import * as bulk from "./bulk.js";
import * as value from "./value.js";

const EDIT_MOST = 1024 * 1024;
const NARROW = "(max-width: 1180px)";

/** The pane; `open(id)` reads and shows one, `close()` empties it, `onGone(id)` hears of one that was acted on. */
export class EntryPane {
  #entry = null;
  #wanted = "";
  #editor = null;

  constructor(onGone, onClose) {
    this.onGone = onGone;
    this.onClose = onClose;
    this.node = el("article", { class: "entry", "aria-label": "Dead message", hidden: true });
  }

  get id() {
    return this.#wanted;
  }

  async open(id) {
    this.#wanted = id;
    this.node.hidden = false;
    this.node.setAttribute("aria-busy", "true");
    const entry = await attempt(
      () => api.deadEntry(id),
      () => "",
    );
    if (this.#wanted !== id) return;
    this.node.removeAttribute("aria-busy");
    if (entry) this.#show(entry);
    else this.close();
  }

  close() {
    this.#wanted = "";
    this.#entry = this.#editor = null;
    this.node.hidden = true;
    this.node.replaceChildren();
    this.onClose();
  }

  replay() {
    return this.#act("replay");
  }

  remove() {
    return this.#act("delete");
  }

  async #act(action) {
    const id = this.#entry?.id;
    if (id && (await bulk.run(action, bulk.ofIds([id])))) this.onGone(id);
  }

  #show(entry) {
    this.#entry = entry;
    this.#editor = null;
    const content = value.valueOf(entry);
    const place = entry.channel ? `${entry.route}.${entry.channel}` : entry.route;
    this.node.replaceChildren(
      el(
        "div",
        { class: "entry-head" },
        el("h2", {}, visibleLine(entry.message_id)),
        el("span", { class: "dim" }, place),
        el(
          "span",
          { class: "acts" },
          button("Replay…", () => this.replay(), { class: "primary" }),
          button("Edit and replay…", () => this.edit()),
          button("Delete…", () => this.remove(), { class: "danger" }),
          button("×", () => this.close(), { "aria-label": "Close", class: "text" }),
        ),
      ),
      el(
        "p",
        { class: "error" },
        el("b", {}, visibleLine(entry.error_class)),
        " ",
        visibleLine(entry.error_message),
      ),
      facts(entry),
      headers(entry),
      traceback(entry),
      entry.value_withheld_bytes
        ? el(
            "p",
            { class: "note" },
            `The value is not kept: its ${bytes(entry.value_withheld_bytes)} are above the queues' limit.`,
          )
        : (tombstone(entry) ?? value.show(content, `${filename(entry)}`)),
    );
    this.node.scrollTop = 0;
    // Where there is no room beside the list, it stands above it.
    if (matchMedia(NARROW).matches) this.node.scrollIntoView();
  }

  /** Another value in the place of its own. */
  edit() {
    if (!this.#entry || this.#editor) {
      this.#editor?.querySelector("textarea").focus();
      return;
    }
    const content = value.valueOf(this.#entry);
    this.#editor = content.bytes.length > EDIT_MOST ? tooLarge(content, this.#entry) : this.#form(content);
    this.node.querySelector(".entry-head").after(this.#editor);
    this.#editor.querySelector("textarea")?.focus();
  }

  #form(content) {
    const json = content.encoding === "json";
    const dense = json && compact(content.text) === content.text;
    const area = el("textarea", {
      rows: 14,
      spellcheck: "false",
      "aria-label": "New value",
      value: json ? indented(content.text) : (content.text ?? this.#entry.value),
    });
    const wrong = el("p", { class: "wrong", role: "alert" });
    const topic = el("input", {
      type: "text",
      "aria-label": "Other topic",
      placeholder: "its route",
      autocomplete: "off",
    });
    const send = el("button", { type: "submit", class: "primary" }, "Replay 1 with this value");
    const form = el(
      "form",
      { class: "editor" },
      el("h3", {}, `Another value (${content.encoding})`),
      area,
      wrong,
      el(
        "div",
        { class: "buttons" },
        el("label", { class: "field" }, "To topic", topic),
        button("Cancel", () => {
          form.remove();
          this.#editor = null;
        }),
        send,
      ),
    );
    const check = () => {
      wrong.textContent = problem(content.encoding, area.value);
      send.disabled = Boolean(wrong.textContent);
    };
    area.addEventListener("input", check);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send(json && dense ? compact(area.value) : area.value, content.encoding, topic.value.trim());
    });
    return form;
  }

  async #send(text, encoding, topic) {
    const { id } = this.#entry;
    if (await bulk.began(() => api.replayEdited(id, text, encoding, topic ? { topic } : {}))) this.onGone(id);
  }
}

/** Why this text cannot be the value; "" = it can. */
function problem(encoding, text) {
  try {
    if (encoding === "json") JSON.parse(text);
    if (encoding === "base64") atob(text);
    return "";
  } catch (error) {
    return encoding === "json" ? `no JSON: ${visibleLine(error.message)}` : "no base64";
  }
}

function tooLarge(content, entry) {
  return el(
    "div",
    { class: "editor" },
    el("p", {}, `${bytes(content.bytes.length)} are too many to edit here. Download it, change it, and:`),
    el("pre", {}, `ringmain dead replay CONFIG --id ${entry.id} --edit FILE`),
    button("Download", () => value.download(content.bytes, filename(entry))),
  );
}

function tombstone(entry) {
  return entry.value === null && entry.value_encoding === "json"
    ? el("p", { class: "note" }, "No value: a tombstone, or JSON's null.")
    : null;
}

function filename(entry) {
  const suffix = { json: "json", "utf-8": "txt", base64: "bin" }[entry.value_encoding];
  return `${entry.message_id.replace(/[^\w.-]+/g, "_")}.${suffix}`;
}

function facts(entry) {
  const known = [
    ["topic", entry.topic],
    ["partition", entry.partition],
    ["offset", count(entry.offset)],
    ["key", shownBytes(entry.key)],
    ["produced", momentOf(entry.timestamp_ms)],
    ["first failed", moment(entry.first_failed_at)],
    ["dead since", moment(entry.dead_at)],
    ["attempt", entry.attempt],
    ["node", entry.node],
    ...(entry.crashes ? [["processes killed", entry.crashes]] : []),
    ...(entry.replayed ? [["replayed", "yes: it died again"]] : []),
    ["id", entry.id],
  ];
  return el(
    "dl",
    { class: "facts-grid" },
    known.map(([name, text]) => el("div", {}, el("dt", {}, name), el("dd", {}, visibleLine(String(text))))),
  );
}

function headers(entry) {
  if (!entry.headers.length) return null;
  const rows = entry.headers.map(([name, content]) =>
    el("tr", {}, el("th", { scope: "row" }, visibleLine(name)), el("td", {}, shownBytes(content))),
  );
  return el(
    "details",
    { open: entry.headers.length <= 8 },
    el("summary", {}, `Headers (${count(entry.headers.length)})`),
    el("table", { class: "headers" }, el("tbody", {}, rows)),
  );
}

function traceback(entry) {
  return entry.traceback
    ? el(
        "details",
        { open: true },
        el("summary", {}, "Traceback"),
        el("pre", { class: "traceback", tabindex: "0" }, visible(entry.traceback)),
      )
    : null;
}
