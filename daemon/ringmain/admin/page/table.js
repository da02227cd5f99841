// A table that is told its rows again every second and touches only what changed: no flicker, and focus,
// selection and scroll position stay. A column: {id, title, text(row) or fill(cell, row), sort(row), kind, hint}.

import { el, say, dress } from "./dom.js";

/** One live table; `update(rows)` is all that its owner calls. */
export class Table {
  #columns;
  #key;
  #rows = new Map();
  #body;
  #heads = new Map();
  #sort = null;
  #last = [];
  #classOf;
  #empty;

  constructor({ label, columns, key, empty = "none", rowClass = () => "", onSort = null }) {
    this.#columns = columns;
    this.#key = key;
    this.#classOf = rowClass;
    this.onSort = onSort;
    this.#body = el("tbody");
    this.#empty = el("p", { class: "none", hidden: true }, empty);
    const heads = columns.map((column) => this.#head(column));
    this.table = el("table", { "aria-label": label }, el("thead", {}, el("tr", {}, heads)), this.#body);
    this.node = el("div", { class: "table" }, this.table, this.#empty);
  }

  /** Show these, in this order unless the reader has chosen another. */
  update(rows) {
    this.#last = rows;
    const focused = document.activeElement;
    const seen = new Set();
    this.#sorted(rows).forEach((row, place) => {
      const key = this.#key(row);
      seen.add(key);
      this.#put(this.#shown(key, row), place);
    });
    for (const [key, line] of this.#rows)
      if (!seen.has(key)) {
        line.tr.remove();
        this.#rows.delete(key);
      }
    // A row that moved has lost the focus on its way.
    if (focused && focused !== document.activeElement && this.#body.contains(focused)) focused.focus();
    this.#empty.hidden = rows.length > 0;
    this.table.hidden = rows.length === 0;
  }

  /** The row's element, for who wants to bring it into view. */
  rowOf(key) {
    return this.#rows.get(key)?.tr;
  }

  #put(tr, place) {
    const there = this.#body.children[place];
    if (there !== tr) this.#body.insertBefore(tr, there ?? null);
  }

  #shown(key, row) {
    let line = this.#rows.get(key);
    if (!line) this.#rows.set(key, (line = this.#made()));
    line.row = row;
    dress(line.tr, this.#classOf(row));
    this.#columns.forEach((column, i) => {
      if (column.fill) column.fill(line.cells[i], row);
      else if (column.text) say(line.cells[i], column.text(row));
      if (column.tone) line.cells[i].dataset.tone = column.tone(row);
    });
    return line.tr;
  }

  #made() {
    const line = { row: null };
    line.cells = this.#columns.map((column) => {
      const cell = el(column.heads ? "th" : "td", {
        class: classes(column),
        scope: column.heads ? "row" : null,
      });
      column.make?.(cell, () => line.row);
      return cell;
    });
    line.tr = el("tr", {}, line.cells);
    return line;
  }

  #head(column) {
    const th = el("th", { class: classes(column), scope: "col" });
    if (column.sort) {
      th.append(
        el(
          "button",
          { type: "button", class: "sort", title: column.hint, on: { click: () => this.#sortBy(column) } },
          column.title,
        ),
      );
    } else th.append(el("span", { title: column.hint }, column.title));
    this.#heads.set(column.id, th);
    return th;
  }

  /** First click: largest first for numbers, A first for names; second: the other way; third: as it came. */
  #sortBy(column) {
    const first = column.kind?.includes("num") ? -1 : 1;
    const now = this.#sort?.column === column ? this.#sort.sign : 0;
    const sign = now === 0 ? first : now === first ? -first : 0;
    this.#sort = sign ? { column, sign } : null;
    for (const [id, th] of this.#heads) {
      if (sign && id === column.id) th.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
      else th.removeAttribute("aria-sort");
    }
    this.update(this.#last);
  }

  #sorted(rows) {
    if (!this.#sort) return rows;
    const { column, sign } = this.#sort;
    return [...rows].sort((a, b) => sign * compare(column.sort(a), column.sort(b)));
  }
}

function classes(column) {
  return [column.kind ?? "", column.id ? `c-${column.id}` : ""].join(" ").trim();
}

function compare(a, b) {
  return typeof a === "string" ? a.localeCompare(b, "en", { numeric: true }) : a - b;
}
