// The pools of handlers: what they do now, what holds them up, and the hands of the operator on them:
// pause, resume, scale, recycle.

import * as api from "./api.js";
import { ask, attempt } from "./dialog.js";
import { bar, button, el, say } from "./dom.js";
import { count, duration, momentOf, rate, span } from "./format.js";
import { Table } from "./table.js";

const OUTCOMES = [
  ["done", "done/s"],
  ["retry", "retry/s"],
  ["dead", "dead/s"],
  ["skip", "skip/s"],
  ["channel", "to channel/s"],
];

let node = "";

/** The table; `show(picture)` fills it. */
export function build() {
  const table = new Table({
    label: "Pools",
    key: (pool) => pool.key,
    columns: columns(),
    empty: "no pools on this node",
  });
  const show = (picture) => {
    node = picture.node;
    table.update(
      picture.pools.map((pool) => ({
        ...pool,
        lag: lagOf(pool, picture),
        oldest_s: oldestOf(pool, picture),
      })),
    );
  };
  return { node: table.node, show };
}

function columns() {
  return [
    { id: "pool", title: "Pool", heads: true, sort: (pool) => pool.key, text: (pool) => pool.key },
    { id: "order", title: "Order", kind: "p2", text: (pool) => pool.order },
    {
      id: "handlers",
      title: "Handlers",
      kind: "num",
      sort: (pool) => pool.alive,
      text: (pool) =>
        pool.alive === pool.handlers ? count(pool.alive) : `${pool.alive} of ${pool.handlers}`,
      tone: (pool) => (pool.alive < pool.handlers ? "warn" : ""),
    },
    { id: "busy", title: "Busy", kind: "num p2", sort: (pool) => pool.busy, make: makeBusy, fill: fillBusy },
    ...OUTCOMES.map(([outcome, title]) => ({
      id: outcome,
      title,
      kind: `num${outcome === "done" || outcome === "dead" ? "" : " p3"}`,
      hint: `${outcome} in all since the start: point at a figure`,
      sort: (pool) => pool.rates_per_s[outcome] ?? 0,
      fill: (cell, pool) => {
        say(cell, rate(pool.rates_per_s[outcome]));
        cell.title = `${count(pool.outcomes[outcome] ?? 0)} since the start`;
      },
      tone: (pool) =>
        outcome === "dead" && pool.rates_per_s.dead > 0 ? "bad" : pool.rates_per_s[outcome] ? "" : "zero",
    })),
    {
      id: "mean",
      title: "Mean call",
      kind: "num p2",
      sort: (pool) => pool.mean_s,
      text: (pool) => duration(pool.mean_s),
    },
    {
      id: "lag",
      title: "Lag",
      kind: "num",
      hint: "Messages not committed, over this node's partitions",
      sort: (pool) => pool.lag ?? -1,
      text: (pool) => count(pool.lag),
      tone: (pool) => (pool.lag ? "" : "zero"),
    },
    {
      id: "oldest",
      title: "Oldest",
      kind: "num p2",
      hint: "Age of the oldest message not taken yet",
      sort: (pool) => pool.oldest_s,
      text: (pool) => (pool.oldest_s > 0 ? span(pool.oldest_s) : "–"),
    },
    {
      id: "held",
      title: "State",
      make: (cell) => cell.append(el("ul", { class: "chips" })),
      fill: fillCauses,
    },
    { id: "acts", title: "", kind: "acts", make: makeActs },
  ];
}

function makeBusy(cell) {
  cell.append(el("span", { class: "n" }), bar());
}

function fillBusy(cell, pool) {
  say(cell.firstChild, count(pool.busy));
  cell.lastChild.fill(pool.alive ? pool.busy / pool.alive : 0);
}

function lagOf(pool, picture) {
  const own = pool.channel
    ? []
    : picture.partitions.filter(({ route, lag }) => route === pool.route && lag >= 0);
  return own.length ? own.reduce((sum, { lag }) => sum + lag, 0) : null;
}

function oldestOf(pool, picture) {
  return pool.channel
    ? 0
    : picture.partitions
        .filter(({ route }) => route === pool.route)
        .reduce((most, { lag_s }) => Math.max(most, lag_s), 0);
}

/** Each cause is a chip; an operator's can be ended where it stands. */
function fillCauses(cell, pool) {
  const list = cell.firstChild;
  const now = JSON.stringify(pool.paused);
  if (list.dataset.now === now) return;
  list.dataset.now = now;
  list.replaceChildren(
    ...(pool.paused.length
      ? pool.paused.map((cause) => chip(pool, cause))
      : [el("li", { class: "dim" }, "running")]),
  );
}

function chip(pool, cause) {
  const where = [
    cause.topic,
    cause.partition ?? "",
    cause.source && `from ${cause.source}`,
    cause.node && `on ${cause.node}`,
  ].filter((word) => word !== "" && word);
  const by = cause.operator ? ` by ${cause.operator}` : "";
  const text = ["paused", where.join(" "), cause.reason || cause.cause].filter(Boolean).join(" · ");
  const hint = `${cause.cause}${by}${cause.since_ms ? `, since ${momentOf(cause.since_ms)} UTC` : ""}`;
  const end =
    cause.cause === "operator" && button("resume", () => resume(pool.route, cause), { class: "text" });
  return el("li", { class: "chip warn", title: hint }, text, end);
}

function makeActs(cell, row) {
  cell.append(
    button("pause…", () => pauseRoute(row().route), {
      class: "text",
      hint: "Take nothing more, on every node",
    }),
    button("scale…", () => scale(row()), { class: "text", hint: "Another number of handlers" }),
    button("recycle…", () => recycle(row()), { class: "text", hint: "Fresh handlers, one after another" }),
  );
}

async function pauseRoute(route) {
  const answer = await ask({
    title: `Pause ${route}?`,
    confirm: "Pause",
    lines: [
      "Nothing more is taken until it is resumed, over restarts too. What is being executed ends as it likes.",
    ],
    fields: [
      {
        name: "source",
        label: "Messages from",
        options: [
          ["", "Kafka and the queues"],
          ["kafka", "Kafka only"],
          ["queue", "the queues only"],
        ],
      },
      {
        name: "node",
        label: "Where",
        options: [
          ["", "on every node"],
          [node, `on ${node} only`],
        ],
      },
      { name: "reason", label: "Reason", hint: "for who finds it paused" },
    ],
  });
  if (answer) await attempt(() => api.pause(route, answer));
}

/** End one pause, told by the same place as it was begun. */
export async function resume(route, { topic = "", partition = null, source = "", node: where = "" }) {
  await attempt(() => api.resume(route, { topic, partition, source, node: where }));
}

async function scale(pool) {
  const answer = await ask({
    title: `Scale ${pool.key}`,
    confirm: "Scale",
    lines: [`${count(pool.handlers)} handler processes now. It holds on this node, over restarts.`],
    fields: [
      {
        name: "handlers",
        label: "Handlers",
        type: "number",
        min: 1,
        max: 1000,
        required: true,
        value: pool.handlers,
      },
    ],
  });
  if (answer) await attempt(() => api.scale(pool.key, Number(answer.handlers)));
}

async function recycle(pool) {
  const lines = [
    "Each fresh process boots first, then an old one ends: no rebalance, nothing lost, nothing twice.",
  ];
  if (
    await ask({ title: `Recycle ${count(pool.alive)} handlers of ${pool.key}?`, lines, confirm: "Recycle" })
  ) {
    await attempt(() => api.recyclePool(pool.key));
  }
}
