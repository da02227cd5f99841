// The head of the page: is this node well, and if not, why; who it is; the views; the token; what the whole node
// can be asked for. It also says when nobody answers: an old picture must never look like a new one.

import * as api from "./api.js";
import { ask, attempt } from "./dialog.js";
import { button, dress, el, say } from "./dom.js";
import { count, momentOf, span } from "./format.js";
import { showKeys } from "./keys.js";

const state = el("strong", { class: "state", id: "state" }, "…");
const name = el("span", { class: "name" });
const facts = el("span", { class: "facts" });
const tabs = {
  live: el("a", { href: "#live" }, "Live"),
  dead: el("a", { href: "#dead" }, "Dead set"),
};
const deadCount = el("span", { class: "badge", hidden: true });
const reasons = el("ul", { class: "reasons", id: "reasons", hidden: true });
const silence = el("p", { class: "silence", role: "alert", id: "silence", hidden: true });
const tokenButton = button("Token", askToken, {
  hint: "What the node asks for beyond loopback; kept in this tab only",
});
let answered = 0;
let node = "";

/** Build it. */
export function build(place) {
  tabs.dead.append(" ", deadCount);
  const acts = el(
    "span",
    { class: "acts" },
    button("Reload…", reload, {
      hint: "The config file, and code that has changed; shows first what that is",
    }),
    button("Recycle all…", recycleAll, { hint: "Fresh processes, one after another" }),
    button("Quiet…", quiet, { hint: "Take nothing new; only a stop follows" }),
    tokenButton,
    button("?", showKeys, { hint: "Keys", "aria-label": "Keys" }),
  );
  place.append(
    el(
      "div",
      { class: "bar-top" },
      state,
      name,
      facts,
      el("nav", { "aria-label": "Views" }, tabs.live, tabs.dead),
      acts,
    ),
    silence,
    reasons,
  );
}

/** A picture came. */
export function show(picture) {
  answered = Date.now();
  node = picture.node;
  silence.hidden = true;
  document.body.classList.remove("silent");
  say(name, `${picture.name} @ ${picture.node}`);
  say(
    facts,
    `${picture.version} · up ${span(picture.uptime_s)} · pid ${picture.pid} · ${picture.modes.join(", ")}`,
  );
  facts.title = `since ${momentOf(picture.started_at_ms)} UTC`;
  say(
    state,
    picture.ready
      ? picture.state === "running"
        ? "ready"
        : picture.state
      : picture.state === "running"
        ? "not ready"
        : picture.state,
  );
  dress(state, `state ${picture.ready ? (picture.state === "running" ? "ok" : "warn") : "bad"}`);
  document.title = `${picture.ready ? "" : "! "}${picture.name} @ ${picture.node}`;
  const dead = picture.queues
    .filter(({ queue }) => queue === "dead")
    .reduce((sum, { messages }) => sum + messages, 0);
  say(deadCount, count(dead));
  deadCount.hidden = dead === 0;
  showReasons(picture);
}

function showReasons(picture) {
  const lines = picture.reasons.map(({ reason, route, subject, ready }) => ({
    text: [route, subject, reason].filter(Boolean).join(" · "),
    tone: ready ? "warn" : "bad",
  }));
  if (picture.queues_away && !lines.some(({ text }) => text.includes(picture.queues_away)))
    lines.push({ text: `queues: ${picture.queues_away}`, tone: "bad" });
  lines.sort((a, b) => (a.tone > b.tone) - (a.tone < b.tone));
  const now = lines.map(({ text, tone }) => tone + text).join("\n");
  if (reasons.dataset.now === now) return;
  reasons.dataset.now = now;
  reasons.replaceChildren(...lines.map(({ text, tone }) => el("li", { class: tone }, text)));
  reasons.hidden = lines.length === 0;
}

/** No picture came: said with its age, and the old one fades. */
export function lost(error) {
  const since = answered ? `; what is below is ${span((Date.now() - answered) / 1000)} old` : "";
  say(silence, `${error.message}${since}`);
  silence.hidden = false;
  document.body.classList.add("silent");
  say(state, error.status === 401 ? "locked" : "no answer");
  dress(state, "state bad");
}

/** Which view is open. */
export function mark(view) {
  for (const [id, link] of Object.entries(tabs)) {
    if (id === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

let asking = false;

/** Ask for the token; a second call while it is open does nothing. */
export async function askToken() {
  if (asking) return;
  asking = true;
  const answer = await ask({
    title: "Token",
    lines: ["admin.token, or admin.read_token to look only. It stays in this tab; empty forgets it."],
    fields: [
      { name: "token", label: "Token", type: "password", value: api.token() },
      {
        name: "operator",
        label: "Your name",
        value: api.operator(),
        hint: "for the log, and for who finds something paused",
      },
    ],
    confirm: "Use it",
  });
  asking = false;
  if (!answer) return;
  api.setToken(answer.token);
  api.setOperator(answer.operator);
  document.dispatchEvent(new Event("ringmain:token"));
}

async function reload() {
  const said = await attempt(
    () => api.reload(true),
    () => "",
  );
  if (!said) return;
  const lines = said.lines ?? [];
  const body = el("pre", { class: "lines" }, lines.length ? lines.join("\n") : said.text);
  if (
    await ask({
      title: `Reload ${node}?`,
      lines: ["The file is read again, and code that has changed; only processes concerned are replaced."],
      body,
      confirm: "Reload",
    })
  ) {
    await attempt(() => api.reload(false));
  }
}

async function recycleAll() {
  const lines = [
    "Fresh processes one after another, without a rebalance. What is being executed ends first.",
  ];
  if (await ask({ title: `Recycle every process of ${node}?`, lines, confirm: "Recycle all" }))
    await attempt(() => api.recyclePool(""));
}

async function quiet() {
  const lines = [`${node} takes nothing new any more. There is no way back but a stop and a start.`];
  if (await ask({ title: `Quiet ${node}?`, lines, confirm: "Quiet", danger: true }))
    await attempt(() => api.quiet());
}
