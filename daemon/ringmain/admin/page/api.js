// Everything that the page asks of the node. Failure is an ApiError whose message an operator can read.
// The token is kept for this tab only (sessionStorage), sent as a header, and never part of an address.

import { rawField } from "./rawjson.js";

const TOKEN = "ringmain.token";
const OPERATOR = "ringmain.operator";
const LOOK_MS = 10_000;
const LONG_MS = 120_000;

/** What went wrong: `status` 0 = nobody answered. */
export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export function token() {
  return sessionStorage.getItem(TOKEN) ?? "";
}

export function setToken(value) {
  keep(TOKEN, value);
}

/** Who acts, as the log and others are told; empty = nobody has said. */
export function operator() {
  return sessionStorage.getItem(OPERATOR) ?? "";
}

export function setOperator(value) {
  keep(OPERATOR, value);
}

function keep(name, value) {
  if (value) sessionStorage.setItem(name, value);
  else sessionStorage.removeItem(name);
}

const signed = (body) => (operator() ? { ...body, operator: operator() } : body);

async function ask(path, options = {}, withinMs = LOOK_MS) {
  const headers = { Accept: "application/json" };
  if (token()) headers.Authorization = `Bearer ${token()}`;
  if (options.body !== undefined) headers["Content-Type"] = "application/json";
  let answer, text;
  try {
    answer = await fetch(path, {
      ...options,
      headers,
      cache: "no-store",
      signal: AbortSignal.timeout(withinMs),
    });
    text = await answer.text();
  } catch (error) {
    throw new ApiError(
      0,
      error.name === "TimeoutError" ? `no answer within ${withinMs / 1000} s` : "no answer",
    );
  }
  if (!answer.ok) throw new ApiError(answer.status, reason(answer, text));
  return text;
}

function reason(answer, text) {
  if (answer.status === 401) return token() ? "this token is not accepted" : "a token is needed";
  try {
    const said = JSON.parse(text);
    return said.description || said.reason || said.error || said.title || `answer ${answer.status}`;
  } catch {
    return `answer ${answer.status}`;
  }
}

const look = async (path, withinMs) => JSON.parse(await ask(path, {}, withinMs));
const act = async (path, body = {}) => {
  const text = typeof body === "string" ? body : JSON.stringify(signed(body));
  return JSON.parse((await ask(path, { method: "POST", body: text }, LONG_MS)) || "{}");
};
const part = encodeURIComponent;

function query(fields) {
  const pairs = Object.entries(fields).flatMap(([name, value]) => [value].flat().map((one) => [name, one]));
  const meant = pairs.filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return meant.length ? `?${new URLSearchParams(meant)}` : "";
}

/** The whole node. */
export const picture = () => look("api/picture");

/** Counts of the dead that pass the filter, by axes: {messages, counts: [{group, messages, oldest_at, newest_at}]}. */
export const deadSummary = (filter, by) => look(`api/dead/summary${query({ ...filter, by })}`, LONG_MS);

/** A page of the dead, without their values. */
export const deadPage = (filter, limit, cursor) =>
  look(`api/dead${query({ ...filter, limit, cursor, brief: "true" })}`, LONG_MS);

/** One entry. `raw` is the text of its JSON value, byte by byte: parsing would round large numbers. */
export async function deadEntry(id) {
  const text = await ask(`api/dead/${part(id)}`, {}, LONG_MS);
  const entry = JSON.parse(text);
  return { ...entry, raw: entry.value_encoding === "json" ? rawField(text, "value") : null };
}

/** Replay or delete; `which` is {ids}, {filter} or {all: true}. Answers {total, job}. */
export const bulk = (action, which, how = {}) => act(`api/dead/${action}`, { ...which, ...how });

/** Replay one with another value, whose JSON goes out as it was written. */
export function replayEdited(id, value, encoding, how = {}) {
  const rest = JSON.stringify(signed({ ids: [id], ...how, value_encoding: encoding })).slice(0, -1);
  return act("api/dead/replay", `${rest},"value":${encoding === "json" ? value : JSON.stringify(value)}}`);
}

export const jobs = async () => (await look("api/jobs")).jobs;
export const cancelJob = (id) => act(`api/jobs/${part(id)}/cancel`);

export const pause = (route, what) => act(`api/routes/${part(route)}/pause`, what);
export const resume = (route, what) => act(`api/routes/${part(route)}/resume`, what);
export const seek = (route, what) => act(`api/routes/${part(route)}/seek`, what);
export const scale = (pool, handlers) => act(`api/routes/${part(pool)}/scale`, { handlers });
export const recycleProcess = (title) => act(`api/processes/${part(title)}/recycle`);
export const recyclePool = (pool) => act("api/recycle", { pool });
export const reload = (dryRun) => act("api/reload", { dry_run: dryRun });
export const quiet = () => act("api/quiet");
