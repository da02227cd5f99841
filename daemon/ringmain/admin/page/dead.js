// The dead set: how many and why, the filter, a page at a time, one in full beside it. The filter is in the page's
// address. Pages go by the node's cursor; those that were seen are remembered, so one can go back.

import * as api from "./api.js";
import * as bulk from "./bulk.js";
import { announce } from "./dialog.js";
import { button, el, panel, say } from "./dom.js";
import { EntryPane } from "./entry.js";
import { Filters, fromHash, toHash } from "./filters.js";
import { count, messages, moment, shownBytes, visibleLine } from "./format.js";
import * as jobs from "./jobs.js";
import { Table } from "./table.js";

const PAGE = 50;
const FEW_GROUPS = 6;
const AXES = [
  ["route,error", "route, error"],
  ["error", "error"],
  ["route", "route"],
  ["hour", "hour"],
  ["topic", "topic"],
  ["route,channel", "route, channel"],
];

/** The view; `load(hash)` when it is opened. */
export class DeadView {
  #filter = {};
  #cursors = [""];
  #page = { entries: [], cursor: null };
  #total = null;
  #chosen = new Set();
  #loading = 0;
  #open = false;

  constructor(place) {
    this.filters = new Filters((filter) => this.#go(filter));
    this.pane = new EntryPane(
      (id) => this.#gone(id),
      () => this.list.update(this.#page.entries),
    );
    this.jobs = jobs.build(
      () => this.refresh(),
      () => this.#open,
    );
    this.list = new Table({
      label: "Dead messages",
      key: (entry) => entry.id,
      columns: this.#columns(),
      empty: "nothing is dead that passes this filter",
      rowClass: ({ id }) => (id === this.pane.id ? "open" : this.#chosen.has(id) ? "chosen" : ""),
    });
    this.axes = el(
      "select",
      { "aria-label": "Count by", on: { change: () => this.#count() } },
      AXES.map(([by, text]) => el("option", { value: by }, text)),
    );
    this.counts = el("div", { class: "counts" });
    this.where = el("span", { class: "dim", "aria-live": "polite" });
    this.back = button("Back", () => this.turn(-1));
    this.on = button("Next", () => this.turn(1));
    place.append(
      this.filters.node,
      el(
        "div",
        { class: "dead" },
        el(
          "div",
          { class: "dead-list" },
          this.#acts(),
          this.jobs.node,
          panel("Counts", this.counts, [this.axes]),
          panel("Messages", this.list.node, [this.where, this.back, this.on]),
        ),
        this.pane.node,
      ),
    );
  }

  /** The view is opened, or its address changed. */
  async load() {
    this.#open = true;
    this.#filter = fromHash(location.hash);
    this.filters.set(this.#filter);
    this.#cursors = [""];
    this.#chosen.clear();
    this.jobs.refresh();
    await this.refresh();
  }

  leave() {
    this.#open = false;
  }

  /** The same page and the counts anew. */
  async refresh() {
    await Promise.all([this.#count(), this.#read()]);
  }

  /** One page on or back. */
  turn(by) {
    if (by > 0 && this.#page.cursor) this.#cursors.push(this.#page.cursor);
    else if (by < 0 && this.#cursors.length > 1) this.#cursors.pop();
    else return;
    this.#read();
  }

  /** The opened one's neighbour, or the first. */
  step(by) {
    const ids = this.#page.entries.map(({ id }) => id);
    const at = ids.indexOf(this.pane.id);
    const id = ids[at < 0 ? 0 : Math.max(0, Math.min(ids.length - 1, at + by))];
    if (id) this.open(id);
  }

  open(id) {
    this.pane.open(id);
    this.list.update(this.#page.entries);
    this.list.rowOf(id)?.scrollIntoView({ block: "nearest" });
  }

  /** Choose the opened one, or let it go. */
  choose() {
    if (this.pane.id) this.#choose(this.pane.id, !this.#chosen.has(this.pane.id));
  }

  /** Replay or delete what is chosen, else what is open, else what passes the filter. */
  act(action) {
    if (this.#chosen.size) return this.#run(action, bulk.ofIds([...this.#chosen]));
    if (this.pane.id) return action === "replay" ? this.pane.replay() : this.pane.remove();
    return this.#run(action, bulk.ofFilter(this.#filter));
  }

  async #run(action, which) {
    if (await bulk.run(action, which)) this.#chosen.clear();
    this.#tell();
  }

  async #read() {
    const turn = ++this.#loading;
    try {
      const page = await api.deadPage(this.#filter, PAGE, this.#cursors.at(-1));
      if (turn !== this.#loading) return;
      this.#page = page;
    } catch (error) {
      announce(error.message, "bad");
    }
    this.#tell();
    performance.mark("ringmain:dead");
  }

  async #count() {
    const by = this.axes.value;
    const summary = await api.deadSummary(this.#filter, by).catch(() => null);
    if (!summary || by !== this.axes.value) return;
    this.#total = summary.messages;
    this.#showCounts(by.split(","), summary.counts);
    this.#tell();
  }

  #tell() {
    const from = (this.#cursors.length - 1) * PAGE;
    const { entries, cursor } = this.#page;
    const of = this.#total === null ? "" : ` of ${count(this.#total)}`;
    say(
      this.where,
      entries.length ? `${count(from + 1)} to ${count(from + entries.length)}${of}, the oldest first` : "",
    );
    this.back.disabled = this.#cursors.length === 1;
    this.on.disabled = !cursor;
    this.list.update(entries);
    const chosen = this.#chosen.size;
    say(
      this.summary,
      chosen
        ? `${messages(chosen)} chosen`
        : this.#total === null
          ? ""
          : `${messages(this.#total)}${Object.keys(this.#filter).length ? " pass the filter" : " in all"}`,
    );
    for (const one of [this.replayAll, this.deleteAll]) one.disabled = !chosen && !this.#total;
    say(this.replayAll, chosen ? `Replay ${count(chosen)}…` : "Replay these…");
    say(this.deleteAll, chosen ? `Delete ${count(chosen)}…` : "Delete these…");
    this.unchoose.hidden = !chosen;
  }

  #acts() {
    const all = (action) => () =>
      this.#run(action, this.#chosen.size ? bulk.ofIds([...this.#chosen]) : bulk.ofFilter(this.#filter));
    this.summary = el("strong");
    this.replayAll = button("Replay these…", all("replay"), { class: "primary" });
    this.deleteAll = button("Delete these…", all("delete"), { class: "danger" });
    this.unchoose = button(
      "choose none",
      () => {
        this.#chosen.clear();
        this.#tell();
      },
      { class: "text", hidden: true },
    );
    return el(
      "div",
      { class: "dead-acts" },
      this.summary,
      this.unchoose,
      this.replayAll,
      this.deleteAll,
      button("Refresh", () => this.refresh()),
    );
  }

  #columns() {
    return [
      {
        id: "choose",
        title: "",
        make: (cell, row) =>
          cell.append(
            el("input", {
              type: "checkbox",
              on: { change: ({ target }) => this.#choose(row().id, target.checked) },
            }),
          ),
        fill: (cell, entry) => {
          cell.firstChild.checked = this.#chosen.has(entry.id);
          cell.firstChild.setAttribute("aria-label", `Choose ${entry.message_id}`);
        },
      },
      { id: "dead", title: "Dead since (UTC)", kind: "date", text: (entry) => moment(entry.dead_at) },
      {
        id: "route",
        title: "Route",
        kind: "p2",
        text: (entry) => (entry.channel ? `${entry.route}.${entry.channel}` : entry.route),
      },
      {
        id: "message",
        title: "Message",
        heads: true,
        make: (cell, row) => cell.append(button("", () => this.open(row().id), { class: "text" })),
        fill: (cell, entry) => say(cell.firstChild, visibleLine(entry.message_id)),
      },
      { id: "key", title: "Key", kind: "p2", text: (entry) => shownBytes(entry.key) },
      {
        id: "attempt",
        title: "Att.",
        hint: "Attempts, the first call included",
        kind: "num p3",
        text: (entry) => count(entry.attempt),
      },
      {
        id: "error",
        title: "Error",
        kind: "wide",
        make: (cell) => cell.append(el("b"), " ", el("span")),
        fill: fillError,
      },
    ];
  }

  #choose(id, wanted) {
    if (wanted) this.#chosen.add(id);
    else this.#chosen.delete(id);
    this.#tell();
  }

  #gone(id) {
    this.#chosen.delete(id);
    this.pane.close();
    this.refresh();
  }

  /** Each group leads to the filter that is exactly it. */
  #showCounts(axes, groups) {
    this.filters.propose(unique(groups, "route"), unique(groups, "error"));
    const rows = groups
      .slice(0, FEW_GROUPS)
      .map(({ group, messages: dead, oldest_at: oldest, newest_at: newest }) =>
        el(
          "tr",
          {},
          el("td", { class: "num" }, count(dead)),
          el(
            "td",
            {},
            button(
              axes.map((axis) => visibleLine(String(group[axis] || "–"))).join(" · "),
              () => this.#narrow(axes, group),
              { class: "text" },
            ),
          ),
          el("td", { class: "dim p2" }, `${moment(oldest)} to ${moment(newest)}`),
        ),
      );
    const rest = groups.length - rows.length;
    this.counts.replaceChildren(
      el("table", { "aria-label": "Counts" }, el("tbody", {}, rows)),
      rest > 0 ? el("p", { class: "none" }, `and ${count(rest)} more groups`) : "",
    );
  }

  #narrow(axes, group) {
    const more = {};
    for (const axis of axes) {
      if (axis === "hour") Object.assign(more, hourOf(group.hour));
      else if (group[axis]) more[axis] = group[axis];
    }
    this.#go({ ...this.#filter, ...more });
  }

  /** To this filter: by the address, whose change loads; the same again is loaded anew. */
  #go(filter) {
    const hash = toHash(filter);
    if (location.hash === hash) this.load();
    else location.hash = hash;
  }
}

function fillError(cell, entry) {
  say(cell.firstChild, visibleLine(entry.error_class.split(".").at(-1)));
  say(cell.lastChild, visibleLine(entry.error_message.slice(0, 200)));
  cell.title = visibleLine(entry.error_class);
}

function unique(groups, name) {
  return [...new Set(groups.map(({ group }) => group[name]).filter(Boolean))];
}

/** The hour as the summary names it, from its first moment to the next one's. */
function hourOf(hour) {
  const since = new Date(/\d{2}:\d{2}/.test(hour) ? hour : `${hour}:00:00Z`);
  if (Number.isNaN(since.getTime())) return {};
  return { since: since.toISOString(), until: new Date(since.getTime() + 3600_000).toISOString() };
}
