// The table of best sellers: asks for the ranking, moves its rows, and shows each new count as it comes.

import { reach } from "./asking.js";
import { element, number } from "./dom.js";

const SHOWN = 10;
const calm = matchMedia("(prefers-reduced-motion: reduce)");

export class Best {
  constructor(rows, empty, counts) {
    this.rows = rows;
    this.empty = empty;
    this.counts = counts;
    this.names = new Map();
    this.known = new Map();
    this.window = "1h";
    this.asked = 0;
    this.shown = 0;
  }

  // The ranking as the server has it, which is a second old at most. An older answer never takes a newer one's place.
  async refresh() {
    const window = this.window;
    const asked = ++this.asked;
    const answer = await reach(`/api/realtime/top/?window=${window}&limit=${SHOWN}`);
    if (!answer.ok) return;
    const { data } = await answer.json();
    await this.learn(data.map((each) => each.id));
    if (window !== this.window || asked < this.shown) return;
    this.shown = asked;
    this.show(data);
  }

  async learn(ids) {
    const unknown = ids.filter((id) => !this.names.has(id));
    if (!unknown.length) return;
    const answer = await reach(`/api/products/?ids=${unknown.join(",")}&page_size=${SHOWN}`);
    if (!answer.ok) return;
    for (const id of unknown) this.names.set(id, `Product ${id}, no longer on sale`);
    for (const product of (await answer.json()).results) this.names.set(product.id, product.name);
  }

  show(ranking) {
    const before = new Map([...this.known].map(([id, row]) => [id, row.line.getBoundingClientRect().top]));
    const most = ranking[0]?.sold_count ?? 1;
    const lines = ranking.map((each, place) => this.row(each, place, most));
    this.rows.replaceChildren(...lines);
    const shown = new Set(ranking.map((each) => each.id));
    for (const id of this.known.keys()) if (!shown.has(id)) this.known.delete(id);
    for (const [id, top] of before) this.slide(id, top);
    this.empty.hidden = ranking.length > 0;
    this.rows.closest("table").hidden = ranking.length === 0;
  }

  row({ id, sold_count: sold }, place, most) {
    if (!this.known.has(id)) this.known.set(id, this.make(id));
    const row = this.known.get(id);
    row.rank.textContent = place + 1;
    row.name.textContent = this.names.get(id) ?? `Product ${id}`;
    row.bar.style.width = `${Math.max(2, (100 * sold) / most)}%`;
    write(row.lately, sold);
    this.update(id);
    return row.line;
  }

  make(id) {
    const row = { rank: element("td", { className: "number rank" }), name: element("span"), bar: element("span", { className: "bar" }) };
    row.lately = element("span", { className: "figure" });
    row.ever = element("span", { className: "figure" });
    const name = element("th", { className: "name", scope: "row" }, row.name, row.bar);
    const figures = [row.lately, row.ever].map((figure) => element("td", { className: "number" }, figure));
    row.line = element("tr", {}, row.rank, name, ...figures);
    row.line.dataset.product = id;
    return row;
  }

  // A count that has just come; what is not in the table may get there with the next ranking.
  update(id) {
    const row = this.known.get(id);
    if (row) write(row.ever, this.counts.get(id) ?? 0);
  }

  slide(id, top) {
    const line = this.known.get(id)?.line;
    const way = line ? top - line.getBoundingClientRect().top : 0;
    if (!way || calm.matches) return;
    line.animate([{ transform: `translateY(${way}px)` }, { transform: "none" }], { duration: 450, easing: "ease-out" });
  }
}

function write(figure, value) {
  const text = number(value);
  if (figure.textContent === text) return;
  const first = figure.textContent === "";
  figure.textContent = text;
  figure.classList.remove("moved");
  if (first) return;
  void figure.offsetWidth; // so that the animation begins anew
  figure.classList.add("moved");
}
