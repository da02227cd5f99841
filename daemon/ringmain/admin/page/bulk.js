// Replay and delete, of one or of ten thousand: counted by the node first, asked back with that number, then a job.

import * as api from "./api.js";
import { announce, ask, attempt } from "./dialog.js";
import { count, messages } from "./format.js";
import { asBody, inWords } from "./filters.js";

const JOB_FIELDS = [
  {
    name: "limit",
    label: "At most",
    type: "number",
    min: 1,
    hint: "the oldest so many; empty = all of them",
  },
  {
    name: "rate",
    label: "Per second",
    type: "number",
    min: 0.1,
    step: "any",
    hint: "empty = as fast as it goes",
  },
];
const REPLAY_FIELDS = [
  {
    name: "max_failed",
    label: "Stop after",
    type: "number",
    min: 1,
    hint: "so many that could not be sent or are dead again; give a rate with it",
  },
  { name: "topic", label: "Other topic", hint: "into this Kafka topic instead of its route" },
];

/** What a bulk act is about: ids, or a filter, or everything. */
export const ofIds = (ids) => ({
  body: { ids },
  words: ids.length === 1 ? "this one" : "those chosen",
  all: false,
  known: ids.length,
});
export function ofFilter(filter) {
  const all = Object.keys(filter).length === 0;
  return { body: all ? { all: true } : { filter: asBody(filter) }, words: inWords(filter), all, known: null };
}

/** Count, ask back, begin; the job's record, or null. */
export async function run(action, which) {
  const total = which.known ?? (await counted(action, which));
  if (total === null) return null;
  if (total === 0) {
    announce("nothing is dead that passes this filter", "bad");
    return null;
  }
  const answer = await ask(question(action, which, total));
  return answer && begin(action, which, how(answer));
}

async function counted(action, which) {
  const answer = await attempt(
    () => api.bulk(action, which.body, { dry_run: true }),
    () => "",
  );
  return answer ? answer.total : null;
}

function question(action, which, total) {
  const deleting = action === "delete";
  const lines = which.known === null ? [`Meant: ${which.words}. What dies meanwhile is left alone.`] : [];
  lines.push(
    deleting
      ? "They are gone for good."
      : "Each goes through its route once more, as attempt 1, outside the order of its key or partition.",
  );
  const typed = {
    name: "typed",
    label: `Type ${total}`,
    type: "typed",
    wanted: String(total),
    hint: "everything that is dead would be deleted",
  };
  const fields = [
    ...(deleting && which.all ? [typed] : []),
    ...(total > 1 ? JOB_FIELDS : []),
    ...(deleting ? [] : total > 1 ? REPLAY_FIELDS : [REPLAY_FIELDS[1]]),
  ];
  const name = deleting ? "Delete" : "Replay";
  return {
    title: `${name} ${messages(total)}?`,
    lines,
    fields,
    confirm: `${name} ${count(total)}`,
    danger: deleting,
  };
}

/** Only what was filled in. */
function how({ limit, rate, max_failed: maxFailed, topic }) {
  return {
    ...(limit && { limit: Number(limit) }),
    ...(rate && { rate: Number(rate) }),
    ...(maxFailed && { max_failed: Number(maxFailed) }),
    ...(topic && { topic }),
  };
}

async function begin(action, which, options) {
  return began(() => api.bulk(action, which.body, options));
}

/** Ask for a job, and say that it began; its record, or null. */
export async function began(asked) {
  const answer = await attempt(asked, ({ job }) =>
    job ? `job ${job.id} began` : "nothing was left to be done",
  );
  if (answer?.job) document.dispatchEvent(new Event("ringmain:jobs"));
  return answer?.job ?? null;
}
