// The processes as a tree: the supervisor, its groups, their processes; each with state, age and a way to recycle it.
// A large group that is well is one line until it is opened; whoever is not well is always to be seen.

import * as api from "./api.js";
import { ask, attempt } from "./dialog.js";
import { button, el, say } from "./dom.js";
import { bytes, count, span } from "./format.js";
import { Table } from "./table.js";

const FEW = 12;
const WELL = new Set(["ok"]);
const BAD = new Set(["crash loop", "unreachable", "refused", "suspended"]);

const opened = new Map();
let again = () => {};

/** The tree. */
export function build() {
  const table = new Table({
    label: "Processes",
    key: (row) => row.key,
    columns: columns(),
    rowClass: (row) => `level-${row.level}`,
  });
  let last = null;
  const show = (picture) => {
    last = picture;
    table.update(rows(picture));
  };
  again = () => last && show(last);
  return { node: table.node, show };
}

function columns() {
  return [
    { id: "title", title: "Process", heads: true, make: makeTitle, fill: fillTitle },
    { id: "state", title: "State", text: (row) => row.state, fill: fillState, tone: (row) => row.tone },
    { id: "pid", title: "Pid", kind: "num p3", text: (row) => (row.pid ? String(row.pid) : "") },
    { id: "age", title: "Age", kind: "num", text: (row) => (row.pid ? span(row.age_s) : "") },
    {
      id: "beat",
      title: "Beat",
      kind: "num p3",
      hint: "Since its last sign of life",
      text: (row) => (row.pid && row.level ? span(row.beat_s) : ""),
    },
    {
      id: "rss",
      title: "Memory",
      kind: "num p2",
      text: (row) => (row.rss_bytes ? bytes(row.rss_bytes) : ""),
    },
    { id: "ring", title: "Ring", kind: "num p3", text: ringText },
    { id: "calls", title: "Calls", kind: "num p3", text: (row) => (row.calls ? count(row.calls) : "") },
    {
      id: "restarts",
      title: "Lost",
      kind: "num",
      hint: "Processes that this place has lost since the start",
      text: (row) => (row.level ? count(row.restarts) : ""),
      tone: (row) => (row.restarts ? "warn" : "zero"),
    },
    {
      id: "acts",
      title: "",
      kind: "acts",
      make: makeActs,
      fill: (cell, row) => {
        cell.firstChild.hidden = row.group || row.level === 0;
      },
    },
  ];
}

/** Supervisor, those that are alone in their role, then each group with those of its processes that are to be seen. */
function rows(picture) {
  const ringOf = new Map(picture.rings.map((ring) => [ring.feeder, ring]));
  const line = (process, level) => ({
    ...process,
    key: process.title,
    level,
    tone: toneOf(process),
    ring: ringOf.get(process.title),
  });
  const groups = [...grouped(picture.processes)];
  const isAlone = ([, all]) => all.length === 1 && !all[0].pool;
  const alone = groups.filter(isAlone).map(([, [process]]) => line(process, 1));
  const others = groups
    .filter((group) => !isAlone(group))
    .flatMap(([name, all]) => {
      const unwell = all.filter((process) => !WELL.has(process.state));
      const open = opened.get(name) ?? all.length <= FEW;
      return [headOf(name, all, unwell, open), ...(open ? all : unwell).map((process) => line(process, 2))];
    });
  return [topOf(picture), ...alone, ...others];
}

function topOf({ pid, uptime_s: age_s, state }) {
  return { key: "supervisor", level: 0, title: "supervisor", pid, age_s, state, tone: "", restarts: 0 };
}

const NOUNS = { feed: "feeder", handle: "handler" };

function groupOf({ role, pool, source }) {
  const noun = NOUNS[role] ?? role;
  return [pool, source === "queue" ? `queue ${noun}` : noun].filter(Boolean).join(" · ");
}

function grouped(processes) {
  const groups = new Map();
  for (const process of processes) {
    const name = groupOf(process);
    groups.set(name, [...(groups.get(name) ?? []), process]);
  }
  return groups;
}

function headOf(name, all, unwell, open) {
  const sum = (field) => all.reduce((total, process) => total + process[field], 0);
  return {
    key: `group ${name}`,
    group: name,
    level: 1,
    title: name,
    open,
    pid: 0,
    rss_bytes: sum("rss_bytes"),
    calls: sum("calls"),
    restarts: sum("restarts"),
    state: unwell.length
      ? `${count(all.length - unwell.length)} of ${count(all.length)} ok`
      : `${count(all.length)} ok`,
    tone: unwell.length ? "warn" : "",
  };
}

function toneOf({ state, pid }) {
  if (WELL.has(state)) return "";
  return !pid || BAD.has(state) ? "bad" : "warn";
}

function makeTitle(cell, row) {
  cell.append(
    el("button", {
      type: "button",
      class: "twist",
      on: {
        click: () => {
          opened.set(row().group, !row().open);
          again();
        },
      },
    }),
    el("span"),
    el("span", { class: "dim" }),
  );
}

function fillTitle(cell, row) {
  const [twist, title, more] = cell.children;
  twist.hidden = !row.group;
  if (row.group) {
    twist.setAttribute("aria-expanded", String(row.open));
    twist.setAttribute("aria-label", `${row.open ? "Close" : "Open"} ${row.title}`);
  }
  say(title, row.title);
  const partitions = row.partitions ?? [];
  say(
    more,
    partitions.length
      ? ` ${partitions.slice(0, 3).join(" ")}${partitions.length > 3 ? ` +${partitions.length - 3}` : ""}`
      : "",
  );
  more.title = partitions.join(" ");
}

function ringText({ ring }) {
  return ring ? `${Math.round(ring.used_ratio * 100)} %` : "";
}

/** What it says beside "ok" (an address, what ended the one before it) waits for the pointer. */
function fillState(cell, row) {
  const executing = row.executing ? `${row.state} · ${count(row.executing)} executing` : row.state;
  say(cell, row.detail && row.tone ? `${row.state} · ${row.detail}` : executing);
  cell.title = row.detail ?? "";
}

function makeActs(cell, row) {
  cell.append(button("recycle…", () => recycle(row()), { class: "text" }));
}

async function recycle(process) {
  const lines = [
    process.executing
      ? `It is executing ${count(process.executing)} now; that ends first.`
      : "A fresh process takes its place.",
  ];
  if (await ask({ title: `Recycle ${process.title}?`, lines, confirm: "Recycle" }))
    await attempt(() => api.recycleProcess(process.title));
}
