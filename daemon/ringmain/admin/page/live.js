// The live view: figures and charts on top, then pools, queues and other nodes, then partitions beside processes.
// It is told each picture and keeps nothing but what its charts have drawn.

import { el, panel, safeLink, say } from "./dom.js";
import { count, rate, span } from "./format.js";
import * as partitions from "./partitions.js";
import * as pools from "./pools.js";
import * as processes from "./processes.js";
import { Table } from "./table.js";

const KINDS = ["ready", "delay", "overflow", "dead"];
const PEER_TONES = { gone: "warn", "has our name": "bad", "in the group": "zero" };
const parts = [];

/** Build it; returns what the keyboard needs. */
export function build(place) {
  const figures = buildFigures();
  const charts = el("div", { class: "charts", id: "charts" });
  const [pool, queue, peer, partition, process] = [
    pools.build(),
    buildQueues(),
    buildPeers(),
    partitions.build(),
    processes.build(),
  ];
  parts.push(figures, pool, queue, peer, partition, process);
  place.append(
    figures.node,
    charts,
    panel("Pools", pool.node),
    el("div", { class: "pair even" }, panel("Queues", queue.node), panel("Nodes", peer.node)),
    el(
      "div",
      { class: "pair" },
      panel("Partitions", partition.node, partition.beside),
      panel("Processes", process.node),
    ),
  );
  drawLater(charts);
  return { narrow: partition.narrow };
}

/** A picture came. */
export function show(picture) {
  for (const part of parts) part.show(picture);
}

/** PERF: the chart library is not on the way to the first picture. */
async function drawLater(place) {
  await new Promise((done) => {
    window.requestIdleCallback ? requestIdleCallback(done, { timeout: 500 }) : setTimeout(done, 100);
  });
  const loaded = await import("./charts.js").catch((error) => error);
  if (loaded instanceof Error) {
    place.append(el("p", { class: "note" }, "No charts: their code did not come. Load the page again."));
    return;
  }
  parts.push(new loaded.Charts(place));
  document.dispatchEvent(new Event("ringmain:again"));
}

const sum = (all, of) => all.reduce((total, one) => total + of(one), 0);
const total =
  (outcome) =>
  ({ pools: all }) =>
    sum(all, (pool) => pool.rates_per_s[outcome] ?? 0);

const FIGURES = [
  ["Done/s", (picture) => rate(total("done")(picture))],
  ["Retry/s", (picture) => rate(total("retry")(picture))],
  ["Dead/s", (picture) => rate(total("dead")(picture)), (picture) => (total("dead")(picture) ? "bad" : "")],
  ["Executing", (picture) => count(sum(picture.pools, (pool) => pool.busy))],
  ["Lag", (picture) => count(sum(picture.partitions, ({ lag }) => Math.max(0, lag)))],
  ["Oldest", (picture) => oldest(picture)],
  [
    "Fullest ring",
    (picture) => `${Math.round(100 * Math.max(0, ...picture.rings.map((ring) => ring.used_ratio)))} %`,
  ],
  [
    "In queues",
    (picture) =>
      count(
        sum(
          picture.queues.filter(({ queue }) => queue !== "dead"),
          ({ messages }) => messages,
        ),
      ),
  ],
  [
    "Dead",
    (picture) =>
      count(
        sum(
          picture.queues.filter(({ queue }) => queue === "dead"),
          ({ messages }) => messages,
        ),
      ),
  ],
];

function oldest({ partitions: all }) {
  const most = Math.max(0, ...all.map(({ lag_s }) => lag_s));
  return most > 0 ? span(most) : "–";
}

function buildFigures() {
  const values = FIGURES.map(([title, , tone]) => ({ title, tone, value: el("dd") }));
  const node = el(
    "dl",
    { class: "figures" },
    values.map(({ title, value }) => el("div", {}, el("dt", {}, title), value)),
  );
  const show = (picture) =>
    FIGURES.forEach(([, text, tone], i) => {
      say(values[i].value, text(picture));
      values[i].value.dataset.tone = tone?.(picture) ?? "";
    });
  return { node, show };
}

function buildQueues() {
  const cell = (kind) => ({
    id: kind,
    title: kind[0].toUpperCase() + kind.slice(1),
    kind: "num",
    text: (row) => text(row[kind]),
    tone: (row) => (row[kind]?.messages ? (kind === "dead" ? "warn" : "") : "zero"),
  });
  const text = (queue) =>
    !queue
      ? "–"
      : queue.oldest_s && queue.messages
        ? `${count(queue.messages)} · ${span(queue.oldest_s)}`
        : count(queue.messages);
  const columns = [
    { id: "pool", title: "Queues of", heads: true, text: (row) => row.pool },
    ...KINDS.map(cell),
  ];
  const table = new Table({
    label: "Queues",
    key: (row) => row.pool,
    columns,
    empty: "nothing is known of the queues yet",
  });
  const show = ({ queues }) => {
    const rows = new Map();
    for (const queue of queues)
      rows.set(queue.pool, { ...(rows.get(queue.pool) ?? { pool: queue.pool }), [queue.queue]: queue });
    table.update([...rows.values()]);
  };
  return { node: table.node, show };
}

function buildPeers() {
  const columns = [
    { id: "node", title: "Node", heads: true, fill: fillPeer },
    { id: "owns", title: "Partitions", text: owned },
    { id: "state", title: "State", text: (row) => row.state, tone: (row) => PEER_TONES[row.state] ?? "" },
    {
      id: "heard",
      title: "Heard",
      kind: "num",
      text: (row) => (row.heard_s === null ? "–" : `${span(row.heard_s)} ago`),
    },
  ];
  const table = new Table({ label: "Nodes", key: (row) => row.node, columns });
  const show = (picture) => {
    const own = {};
    for (const { route, topic, partition } of picture.partitions)
      (own[route] ??= []).push(`${topic}/${partition}`);
    table.update([
      { node: picture.node, partitions: own, admin: "", heard_s: null, state: "this one" },
      ...picture.peers,
    ]);
  };
  return { node: table.node, show };
}

function fillPeer(cell, peer) {
  const now = `${peer.node} ${peer.admin}`;
  if (cell.dataset.now === now) return;
  cell.dataset.now = now;
  cell.replaceChildren(safeLink(peer.admin, peer.node));
}

function owned({ partitions: all }) {
  return (
    Object.entries(all)
      .map(([route, list]) => `${route} ${count(list.length)}: ${runs(list)}`)
      .join("   ") || "none"
  );
}

/** `orders/0-3 7`: whole runs of numbers of a topic. */
function runs(places) {
  const topics = new Map();
  for (const place of places) {
    const cut = place.lastIndexOf("/");
    const topic = place.slice(0, cut);
    topics.set(topic, [...(topics.get(topic) ?? []), Number(place.slice(cut + 1))]);
  }
  return [...topics].map(([topic, numbers]) => `${topic}/${spans(numbers.sort((a, b) => a - b))}`).join(" ");
}

function spans(numbers) {
  const found = [];
  for (const number of numbers) {
    const last = found.at(-1);
    if (last && last[1] === number - 1) last[1] = number;
    else found.push([number, number]);
  }
  return found.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(",");
}
