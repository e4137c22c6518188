// Events under way: what each service still has to send, and what was set aside and may be heard again.

import { element, number, say } from "./dom.js";

const EVERY_MS = 5000;
const SERVICES = {
  auth: "/api/auth",
  catalog: "/api/products",
  cart: "/api/cart",
  orders: "/api/orders",
  notifier: "/api/notifications",
  realtime: "/api/realtime",
};

const at = (id) => document.getElementById(id);

export class Operations {
  constructor(session) {
    this.session = session;
    this.rows = new Map();
    document.addEventListener("visibilitychange", () => this.look());
  }

  open() {
    this.rows = new Map(Object.keys(SERVICES).map((name) => [name, this.make(name)]));
    at("operations-rows").replaceChildren(...[...this.rows.values()].map((row) => row.line));
    this.look();
  }

  close() {
    clearTimeout(this.next);
    this.rows.clear();
    at("operations-rows").replaceChildren();
    say(at("operations-said"), "");
  }

  async look() {
    clearTimeout(this.next);
    if (document.hidden || !this.rows.size) return;
    await Promise.all(Object.keys(SERVICES).map((name) => this.read(name)));
    clearTimeout(this.next); // of who looked meanwhile
    if (this.rows.size) this.next = setTimeout(() => this.look(), EVERY_MS);
  }

  make(name) {
    const [waiting, oldest, dead] = Array.from({ length: 3 }, () => element("td", { className: "number", textContent: "–" }));
    const button = element("button", { className: "plain slim", textContent: "Replay", disabled: true });
    button.setAttribute("aria-label", `Replay the dead letters of ${name}`);
    button.addEventListener("click", () => this.replay(name));
    const line = element("tr", {}, element("th", { textContent: name, scope: "row" }), waiting, oldest, dead, element("td", { className: "number" }, button));
    line.dataset.operations = name;
    line.tabIndex = -1; // for the focus, once there is nothing left to replay
    return { line, waiting, oldest, dead, button };
  }

  async read(name) {
    const answer = await this.session.fetch(`${SERVICES[name]}/operations/`).catch(() => null);
    const told = answer?.ok ? await answer.json().catch(() => null) : null;
    if (this.rows.has(name)) this.show(name, told, answer?.status === 404 ? "not available" : "no answer");
  }

  show(name, told, otherwise) {
    const { waiting, oldest, dead, button } = this.rows.get(name);
    waiting.textContent = told ? (told.outbox ? number(told.outbox.waiting) : "–") : otherwise;
    oldest.textContent = told?.outbox?.oldest_s == null ? "–" : `${number(told.outbox.oldest_s)} s`;
    dead.textContent = told ? number(told.dead_letters ?? 0) : "–";
    button.disabled = !told?.dead_letters;
  }

  async replay(name) {
    const { button, line } = this.rows.get(name);
    button.disabled = true;
    try {
      const { replayed, left } = await this.session.send("POST", `${SERVICES[name]}/operations/dead-letters/replay/`, {});
      say(at("operations-said"), `${name}: ${number(replayed)} given back to be heard again${left ? `, ${number(left)} left` : ""}.`);
    } catch (error) {
      say(at("operations-said"), `${name}: ${error.message}`, true);
    }
    await this.read(name);
    if (document.activeElement === document.body) (button.disabled ? line : button).focus(); // where it was before the press
  }
}
