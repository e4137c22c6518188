// The live page: one listener, and what it hears shown as figures, a line, a ranking and the story of the connection.

import { Best } from "./best.js";
import { Chart } from "./chart.js";
import { element, number, time } from "./dom.js";
import { Feed } from "./feed.js";
import { Pace } from "./pace.js";

const MARK_MS = 2000;
const RANKING_MS = 1100; // the service reads it once a second
const RANKING_IDLE_MS = 30_000; // what was sold an hour ago leaves it
const STORY = 8;

const at = (id) => document.getElementById(id);
const counts = new Map();
const seqs = new Map();
const pace = new Pace(Date.now());
const best = new Best(at("rows"), at("empty"), counts);
const chart = new Chart(at("chart"));
let ever = 0;
let heard = false;
let begun = false;
let until = 0;
let cut = 0; // when something was heard for the last time before the connection was lost
let asked = 0;
let planned = null;

function note(sentence) {
  at("log").prepend(element("li", {}, element("time", { textContent: time() }), element("span", { textContent: sentence })));
  while (at("log").children.length > STORY) at("log").lastChild.remove();
}

function state(is, text) {
  at("state").dataset.is = is;
  if (at("state").textContent !== text) at("state").textContent = text;
  at("now").hidden = is !== "bad";
  at("wait").textContent = "";
}

function figures() {
  at("minute").textContent = begun ? number(pace.inTheLastMinute(Date.now())) : "–";
  at("since").textContent = begun ? number(pace.total) : "–";
  at("ever").textContent = begun ? number(ever) : "–";
  at("seq").textContent = begun ? number(feed.seq) : "–";
}

function rankSoon() {
  const wait = Math.max(0, asked + RANKING_MS - Date.now());
  planned ??= setTimeout(rank, Math.max(wait, 250));
}

async function rank() {
  clearTimeout(planned);
  planned = null;
  if (document.hidden) return; // asked as soon as somebody looks again
  asked = Date.now();
  await best.refresh().catch(() => {}); // the state of the connection says it
}

// The new count of a product, whose difference was sold at this moment; null for what was sold before the page was opened.
function change(product, sold, seq, moment) {
  if (seq < (seqs.get(product) ?? 0)) return; // pushes and what was missed may come crosswise
  const more = sold - (counts.get(product) ?? 0);
  counts.set(product, sold);
  seqs.set(product, seq);
  ever += more;
  if (moment) pace.count(more, moment);
}

const HEARD = {
  connecting: () => state("fair", "Connecting …"),
  live() {
    note("Connected; every change is pushed from here on.");
    arrive();
  },
  waiting({ until: moment, since, code }) {
    if (heard || !until) note(code >= 1000 && code !== 1006 ? `The connection was closed (${code}).` : "The connection is lost.");
    if (heard) cut = since;
    heard = false;
    until = moment;
    countdown();
  },
  resumed({ missed }) {
    const told = missed === 1 ? "one message that was" : `${number(missed)} messages that were`;
    note(missed ? `Back, with the ${told} missed.` : "Back; nothing was missed.");
    arrive();
  },
  reset() {
    note("Back, and begun anew: what was missed is no longer known one by one, so all counts were read again.");
    arrive();
  },
  snapshot({ counts: fresh, seq }) {
    const moment = begun ? cut : null;
    seqs.clear(); // a stream that has begun anew may number from below
    for (const id of counts.keys()) if (!fresh.has(id)) change(id, 0, seq, moment);
    for (const [id, sold] of fresh) change(id, sold, seq, moment);
    begun = true;
    figures();
    for (const id of best.known.keys()) best.update(id);
  },
  update({ product, sold, seq, missed }) {
    change(product, sold, seq, missed ? cut : Date.now());
    best.update(product);
    figures();
    rankSoon();
  },
};

function arrive() {
  heard = true;
  until = 0;
  state("good", "Live");
  figures();
  rankSoon();
}

function countdown() {
  if (heard || !until || !feed.waiting) return;
  state("bad", "Cut off");
  const seconds = Math.max(0, Math.ceil((until - Date.now()) / 1000));
  at("wait").textContent = `next try in ${seconds} s`; // beside what is read out, which would be each second
}

const feed = new Feed(`${location.origin.replace(/^http/, "ws")}/ws/products/`, (what, about) => HEARD[what](about));

at("now").addEventListener("click", () => feed.connect());
at("window").addEventListener("change", (event) => {
  best.window = event.target.value;
  rank();
});
setInterval(countdown, 250);
setInterval(() => {
  chart.show(pace.mark(Date.now(), heard));
  figures();
}, MARK_MS);
setInterval(rank, RANKING_IDLE_MS);
document.addEventListener("visibilitychange", rank);
rank();
feed.connect();
