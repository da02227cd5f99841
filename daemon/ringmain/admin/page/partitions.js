// The partitions that this node owns: how far behind each is, how fast it goes, when it is through; pause, resume
// and seek of one. What stands still comes first unless the reader sorts.

import * as api from "./api.js";
import { ask, attempt } from "./dialog.js";
import { bar, button, el, say } from "./dom.js";
import { count, rate, span, visibleLine } from "./format.js";
import { resume } from "./pools.js";
import { Table } from "./table.js";

const NEARLY_FULL = 0.9;
const TONES = { running: "", paused: "warn", waiting: "warn", standing: "bad", unreachable: "bad" };
const place = ({ topic, partition }) => `${topic}/${partition}`;

let pools = [];

/** The table and the box that narrows it. */
export function build() {
  const table = new Table({
    label: "Partitions",
    key: (row) => `${row.route} ${place(row)}`,
    columns: columns(),
    empty: "no partition is owned here",
    rowClass: (row) => (row.state === "standing" ? "alarm" : ""),
  });
  const narrow = el("input", {
    type: "search",
    id: "narrow",
    placeholder: "topic, route or state",
    "aria-label": "Narrow the partitions",
    autocomplete: "off",
  });
  const total = el("span", { class: "dim" });
  let last = null;
  const show = (picture) => {
    last = picture;
    pools = picture.pools;
    const word = narrow.value.trim().toLowerCase();
    const ringOf = new Map(picture.rings.map((ring) => [ring.feeder, ring]));
    const rows = picture.partitions.filter((row) =>
      `${row.route} ${place(row)} ${row.state}`.toLowerCase().includes(word),
    );
    rows.sort((a, b) => (b.state === "standing") - (a.state === "standing"));
    table.update(rows.map((row) => ({ ...row, ring: ringOf.get(row.owner) })));
    say(
      total,
      rows.length === picture.partitions.length
        ? count(rows.length)
        : `${count(rows.length)} of ${count(picture.partitions.length)}`,
    );
  };
  narrow.addEventListener("input", () => last && show(last));
  return { node: table.node, beside: [total, narrow], show, narrow };
}

function columns() {
  return [
    {
      id: "place",
      title: "Partition",
      heads: true,
      sort: (row) => place(row),
      make: (cell) => cell.append(el("span"), el("span", { class: "dim" })),
      fill: fillPlace,
    },
    {
      id: "state",
      title: "State",
      sort: (row) => row.state,
      text: (row) => row.state,
      tone: (row) => TONES[row.state] ?? "warn",
    },
    {
      id: "lag",
      title: "Lag",
      kind: "num",
      hint: "Messages not committed",
      sort: (row) => row.lag,
      text: (row) => count(row.lag),
      tone: (row) => (row.lag > 0 ? "" : "zero"),
    },
    {
      id: "lag_s",
      title: "Oldest",
      kind: "num",
      hint: "Age of the oldest message not taken yet",
      sort: (row) => row.lag_s,
      text: (row) => (row.lag_s > 0 ? span(row.lag_s) : "–"),
    },
    {
      id: "rate",
      title: "Rate/s",
      kind: "num",
      sort: (row) => row.rate_per_s,
      text: (row) => rate(row.rate_per_s),
      tone: (row) => (row.rate_per_s ? "" : "zero"),
    },
    {
      id: "eta",
      title: "ETA",
      kind: "num",
      hint: "Until the lag is 0 at this pace",
      sort: (row) => row.eta_s ?? Infinity,
      text: eta,
    },
    {
      id: "ring",
      title: "Ring",
      kind: "num p2",
      hint: "What its feeder holds in shared memory",
      sort: (row) => row.ring?.used_ratio ?? 0,
      make: makeRing,
      fill: fillRing,
    },
    {
      id: "ahead",
      title: "Ahead",
      kind: "num p3",
      hint: "Between the first unsettled offset and the position: what a crash would repeat at most",
      sort: (row) => row.ahead,
      text: (row) => count(row.ahead),
    },
    {
      id: "committed",
      title: "Committed",
      kind: "num p3",
      sort: (row) => row.committed,
      text: (row) => count(row.committed),
    },
    {
      id: "end",
      title: "End",
      kind: "num p3",
      hint: "The next offset that a producer will get",
      sort: (row) => row.end,
      text: (row) => count(row.end),
    },
    { id: "acts", title: "", kind: "acts", make: makeActs, fill: fillActs },
  ];
}

function fillPlace(cell, row) {
  say(cell.firstChild, place(row));
  say(cell.lastChild, row.route === row.topic ? "" : ` ${row.route}`);
}

function eta(row) {
  if (row.lag === 0) return "–";
  return row.eta_s === null ? "never" : span(row.eta_s);
}

/** Percent and a bar, for a cell. */
function makeRing(cell) {
  cell.append(el("span", { class: "n" }), bar(NEARLY_FULL));
}

/** `row.ring` in such a cell. */
function fillRing(cell, { ring }) {
  say(cell.firstChild, ring ? `${Math.round(ring.used_ratio * 100)} %` : "");
  cell.lastChild.fill(ring?.used_ratio ?? 0);
  cell.lastChild.hidden = !ring;
  cell.title = ring
    ? `${count(ring.used)} of ${count(ring.slots)} slots, ${count(ring.unclaimed)} not claimed`
    : "";
}

function makeActs(cell, row) {
  cell.append(
    button("pause…", () => (paused(row()) ? resumeOne(row()) : pauseOne(row())), { class: "text" }),
    button("seek…", () => seek(row()), { class: "text", hint: "Read on from elsewhere" }),
  );
}

function fillActs(cell, row) {
  say(cell.firstChild, paused(row) ? "resume" : "pause…");
}

/** The pause of exactly this partition, if an operator has made one. */
function paused(row) {
  const causes = pools
    .filter(({ route, channel }) => route === row.route && !channel)
    .flatMap(({ paused: all }) => all);
  return causes.find(
    (cause) =>
      cause.cause === "operator" &&
      cause.partition === row.partition &&
      (!cause.topic || cause.topic === row.topic),
  );
}

const resumeOne = (row) => resume(row.route, paused(row));

async function pauseOne(row) {
  const answer = await ask({
    title: `Pause ${place(row)}?`,
    confirm: "Pause",
    lines: ["Nothing more is taken from it, without a rebalance, until it is resumed; over restarts too."],
    fields: [{ name: "reason", label: "Reason", hint: "for who finds it paused" }],
  });
  if (answer)
    await attempt(() =>
      api.pause(row.route, { topic: row.topic, partition: row.partition, reason: answer.reason }),
    );
}

async function seek(row) {
  const answer = await ask({
    title: `Seek ${place(row)}`,
    confirm: "Go on…",
    lines: [`Committed ${count(row.committed)}, position ${count(row.position)}, end ${count(row.end)}.`],
    fields: [
      {
        name: "to",
        label: "To",
        required: true,
        hint: "an offset, earliest, latest, or a time such as 2026-01-31T12:00:00Z",
      },
    ],
  });
  if (!answer) return;
  const to = answer.to;
  if (
    await ask({
      title: `${place(row)} to ${visibleLine(to)}?`,
      lines: [consequence(row, to)],
      confirm: "Seek",
      danger: true,
    })
  ) {
    await attempt(() => api.seek(row.route, { topic: row.topic, partition: row.partition, to }));
  }
}

/** What a seek does, in numbers where they are known. */
function consequence(row, to) {
  const offset = /^\d+$/.test(to) ? Number(to) : to === "latest" ? row.end : null;
  if (offset === null) return "What lies before it is skipped, or what lies behind it is handled once more.";
  const apart = offset - row.committed;
  if (apart >= 0) return `${count(apart)} offsets are skipped: nobody will handle what is in them.`;
  return `${count(-apart)} offsets are handled once more.`;
}
