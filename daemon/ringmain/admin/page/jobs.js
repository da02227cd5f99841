// The jobs of this node, newest first: how far each is, how it ended, and the end of one that runs.
// Asked for each second while one runs, seldom otherwise.

import * as api from "./api.js";
import { ask, attempt } from "./dialog.js";
import { bar, button, el, panel, say } from "./dom.js";
import { count, moment } from "./format.js";
import { Table } from "./table.js";

const BUSY_MS = 700,
  IDLE_MS = 10_000;
const FEW = 3;
const TONES = { running: "", done: "", cancelled: "warn", stopped: "warn", failed: "bad", died: "bad" };

let timer = 0;
let ran = false;

/** The panel; `ended()` is called when a job has come to its end, `isOpen()` says whether anybody looks. */
export function build(ended, isOpen) {
  const table = new Table({
    label: "Jobs",
    key: (job) => job.id,
    columns: columns(),
    empty: "no job was run on this node",
  });
  let all = false;
  const more = button(
    "all",
    () => {
      all = !all;
      refresh();
    },
    { class: "text" },
  );
  const node = panel("Jobs", table.node, [more]);
  node.hidden = true;
  const refresh = async () => {
    clearTimeout(timer);
    if (!isOpen()) return;
    const jobs = await api.jobs().catch(() => null);
    if (jobs) show(jobs);
    timer = setTimeout(refresh, ran ? BUSY_MS : IDLE_MS);
  };
  const show = (jobs) => {
    const newest = [...jobs].reverse();
    table.update(all ? newest : newest.slice(0, FEW));
    node.hidden = jobs.length === 0;
    more.hidden = jobs.length <= FEW;
    say(more, all ? "fewer" : `all ${count(jobs.length)}`);
    const runs = jobs.some(({ state }) => state === "running");
    if (ran && !runs) ended();
    ran = runs;
  };
  document.addEventListener("ringmain:jobs", () => {
    ran = true;
    refresh();
  });
  return { node, refresh };
}

function columns() {
  return [
    {
      id: "what",
      title: "Job",
      heads: true,
      text: (job) => (job.topic ? `${job.action} to ${job.topic}` : job.action),
    },
    { id: "state", title: "State", text: (job) => job.state, tone: (job) => TONES[job.state] ?? "warn" },
    {
      id: "progress",
      title: "Done",
      kind: "num",
      make: (cell) => cell.append(el("span", { class: "n" }), bar()),
      fill: fillProgress,
    },
    {
      id: "failed",
      title: "Not",
      kind: "num",
      text: (job) => count(job.failed),
      fill: fillFailed,
      tone: (job) => (job.failed ? "bad" : "zero"),
    },
    {
      id: "again",
      title: "Dead again",
      kind: "num p2",
      text: (job) => count(job.dead_again),
      tone: (job) => (job.dead_again ? "warn" : "zero"),
    },
    {
      id: "filter",
      title: "Of",
      kind: "p2",
      text: (job) =>
        Object.entries(job.filter)
          .map(([name, value]) => `${name} ${[value].flat().join(", ")}`)
          .join(" · ") || "everything",
    },
    { id: "who", title: "Who", kind: "p3", text: (job) => `${job.who} @ ${job.host}` },
    { id: "began", title: "Began (UTC)", kind: "p2", text: (job) => moment(job.began_at) },
    { id: "note", title: "", kind: "p3", text: (job) => job.note },
    {
      id: "acts",
      title: "",
      kind: "acts",
      make: (cell, job) => cell.append(button("cancel…", () => cancel(job()), { class: "text" })),
      fill: (cell, job) => {
        cell.firstChild.hidden = job.state !== "running";
      },
    },
  ];
}

function fillProgress(cell, job) {
  say(cell.firstChild, `${count(job.acted)} of ${count(job.total)}`);
  cell.lastChild.fill(job.total ? (job.acted + job.failed) / job.total : 0);
}

function fillFailed(cell, job) {
  say(cell, count(job.failed));
  cell.title = job.failures.join("\n");
}

async function cancel(job) {
  const left = Math.max(0, job.total - job.acted - job.failed);
  const lines = [
    `${count(job.acted)} are done and stay so; ${count(left)} are left as they are. It ends after its present batch.`,
  ];
  if (await ask({ title: `Cancel this ${job.action}?`, lines, confirm: "Cancel the job" })) {
    await attempt(
      () => api.cancelJob(job.id),
      () => "the job ends after its present batch",
    );
    document.dispatchEvent(new Event("ringmain:jobs"));
  }
}
