// The page begins here: asks for the picture each second and shows it to whoever draws, opens one of the two views
// by the address, and binds the keys. It keeps no state of the node: what is seen is what was answered last.

import * as api from "./api.js";
import { DeadView } from "./dead.js";
import * as header from "./header.js";
import { listen, onKey } from "./keys.js";
import * as live from "./live.js";

const EACH_MS = 1000;

const views = { live: document.getElementById("view-live"), dead: document.getElementById("view-dead") };
let view = "";
let picture = null;
let timer = 0;
let round = 0;

header.build(document.getElementById("header"));
const { narrow } = live.build(views.live);
const dead = new DeadView(views.dead);

function open() {
  const wanted = location.hash.startsWith("#dead") ? "dead" : "live";
  for (const [name, section] of Object.entries(views)) section.hidden = name !== wanted;
  header.mark(wanted);
  if (wanted === "dead") dead.load();
  else dead.leave();
  view = wanted;
  if (picture) live.show(picture);
}

/** One round; the next one is due a second after it. Another token begins anew, and the older round is forgotten. */
async function watch() {
  clearTimeout(timer);
  const mine = ++round;
  try {
    const seen = await api.picture();
    if (mine !== round) return;
    picture = seen;
    header.show(picture);
    live.show(picture);
    performance.mark("ringmain:picture");
  } catch (error) {
    if (mine !== round) return;
    header.lost(
      error instanceof api.ApiError ? error : { message: "this page has failed; load it again", status: -1 },
    );
    if (error.status === 401 && !api.token()) header.askToken();
    if (!(error instanceof api.ApiError)) throw error;
  } finally {
    if (mine === round) timer = setTimeout(watch, EACH_MS);
  }
}

const isLive = () => view === "live";
const isDead = () => view === "dead";
onKey("l", "live view", () => {
  location.hash = "#live";
});
onKey("d", "dead set", () => {
  location.hash = "#dead";
});
onKey("/", "narrow the partitions, filter the dead set", () =>
  (isLive() ? narrow : dead.filters.first).focus(),
);
onKey("j", "dead set: open the next message", () => dead.step(1), isDead);
onKey("k", "dead set: open the one before", () => dead.step(-1), isDead);
onKey("n", "dead set: next page", () => dead.turn(1), isDead);
onKey("p", "dead set: page before", () => dead.turn(-1), isDead);
onKey("x", "dead set: choose the opened message, or not", () => dead.choose(), isDead);
onKey("e", "dead set: edit the opened message and replay it", () => dead.pane.edit(), isDead);
onKey("r", "dead set: replay what is chosen, open, or filtered", () => dead.act("replay"), isDead);
onKey("D", "dead set: delete what is chosen, open, or filtered", () => dead.act("delete"), isDead);
onKey(
  "Escape",
  "dead set: close the opened message",
  () => dead.pane.close(),
  () => isDead() && dead.pane.id !== "",
);
onKey("t", "token", () => header.askToken());
listen();

window.addEventListener("hashchange", open);
document.addEventListener("ringmain:token", () => {
  watch();
  if (view === "dead") dead.load();
});
document.addEventListener("ringmain:again", () => {
  if (picture) live.show(picture);
});
open();
watch();
