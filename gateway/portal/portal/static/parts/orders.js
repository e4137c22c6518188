// Orders at the desk: a page of them, and the moves that each may make, on the version that is seen here.

import { date, element, number, say } from "./dom.js";

const ORDERS = "/api/orders/";
const SHOWN = 10;
const MOVES = {
  pending: [["processing", "Process"], ["cancelled", "Cancel"]],
  processing: [["shipped", "Ship"], ["cancelled", "Cancel"]],
  shipped: [["delivered", "Delivered"]],
  delivered: [],
  cancelled: [],
};
const STATES = { pending: "fair", processing: "fair", shipped: "good", delivered: "good", cancelled: "" };
const GONE = [409, 412]; // somebody else was faster

const at = (id) => document.getElementById(id);

export class Orders {
  constructor(session) {
    this.session = session;
    this.page = 1;
    this.turns = 0;
    this.seen = new Map();
    at("filter").addEventListener("submit", (event) => {
      event.preventDefault();
      this.turn(1);
    });
    at("newer").addEventListener("click", () => this.turn(this.page - 1));
    at("older").addEventListener("click", () => this.turn(this.page + 1));
  }

  open() {
    this.turn(1);
  }

  close() {
    this.turns += 1;
    this.seen.clear();
    at("orders-rows").replaceChildren();
    say(at("orders-said"), "");
  }

  async turn(page) {
    const turn = ++this.turns;
    const { status, number: wanted } = at("filter").elements;
    const query = new URLSearchParams({ page, page_size: SHOWN });
    if (status.value) query.set("status", status.value);
    if (wanted.value.trim()) query.set("number", wanted.value.trim());
    try {
      const found = await this.session.ask(`${ORDERS}?${query}`);
      if (turn !== this.turns) return; // something else was asked for meanwhile
      this.page = page;
      say(at("orders-said"), "");
      this.show(found);
    } catch (error) {
      if (turn === this.turns) say(at("orders-said"), error.message, true);
    }
  }

  show({ count, next, previous, results }) {
    const orders = results.map((order) => this.newest(order));
    this.seen = new Map(orders.map((order) => [order.id, order]));
    at("orders-rows").replaceChildren(...orders.map((order) => this.row(order)));
    at("orders-empty").hidden = results.length > 0;
    at("orders-rows").closest("table").hidden = results.length === 0;
    at("newer").disabled = previous === null;
    at("older").disabled = next === null;
    const first = (this.page - 1) * SHOWN;
    at("orders-count").textContent = count ? `${number(first + 1)}–${number(first + results.length)} of ${number(count)}` : "";
  }

  row(order) {
    const what = order.items.map((line) => `${line.quantity} × ${line.product.name}`).join(", ");
    const state = element("span", { className: "state", textContent: order.status });
    state.dataset.is = STATES[order.status];
    const moves = MOVES[order.status].map(([status, word]) => this.button(order, status, word));
    const row = element(
      "tr",
      {},
      element("th", { textContent: order.number, scope: "row" }),
      element("td", { textContent: date(order.created_at) }),
      element("td", { textContent: what }),
      element("td", { className: "number", textContent: `${order.total} ${order.currency}` }),
      element("td", {}, state),
      element("td", {}, element("div", { className: "actions" }, ...moves)),
    );
    row.dataset.order = order.id;
    row.tabIndex = -1; // for the focus, once there is no move left
    return row;
  }

  button(order, status, word) {
    const button = element("button", { className: status === "cancelled" ? "danger slim" : "plain slim", textContent: word });
    button.setAttribute("aria-label", `${word}: order ${order.number}`);
    button.addEventListener("click", async () => {
      const change = await wanted(order, status);
      if (change) await this.press(button, () => this.move(order, change));
    });
    return button;
  }

  // One move at a time; afterwards the focus is where it was, or in the row that has come in its place.
  async press(button, move) {
    const row = button.closest("tr");
    const buttons = row.querySelectorAll("button");
    for (const each of buttons) each.disabled = true;
    await move();
    for (const each of buttons) each.disabled = false;
    const free = document.activeElement === document.body || row.contains(document.activeElement);
    const present = row.isConnected ? button : shown(row.dataset.order);
    if (free) (present?.querySelector("button") ?? present)?.focus();
  }

  async move(order, change) {
    const headers = { "If-Match": `"${order.version}"` };
    try {
      const moved = await this.session.send("PATCH", `${ORDERS}${order.id}/`, change, headers);
      this.replace(moved);
      say(at("orders-said"), `${moved.number} is ${moved.status} now.`);
    } catch (error) {
      if (GONE.includes(error.status)) await this.reread(order, error);
      else say(at("orders-said"), error.message, true);
    }
  }

  async reread(order, error) {
    try {
      const present = await this.session.ask(`${ORDERS}${order.id}/`);
      this.replace(present);
      say(at("orders-said"), `${order.number} was moved by somebody else meanwhile; it is ${present.status} now.`, true);
    } catch {
      say(at("orders-said"), error.message, true);
    }
  }

  replace(order) {
    const newest = this.newest(order);
    if (this.seen.has(order.id)) this.seen.set(order.id, newest);
    shown(order.id)?.replaceWith(this.row(newest));
  }

  // An answer that was on its way while the order was moved does not bring the old one back.
  newest(order) {
    const seen = this.seen.get(order.id);
    return seen && seen.version > order.version ? seen : order;
  }
}

function shown(id) {
  return document.querySelector(`[data-order="${id}"]`);
}

// What is to be sent; null if it is better left.
async function wanted(order, status) {
  if (status === "cancelled") return (await sure(`Cancel ${order.number}?`, "Cancel the order")) ? { status } : null;
  if (status !== "shipped") return { status };
  const dialog = at("ship");
  const field = dialog.querySelector("input");
  field.value = "";
  if ((await answered(dialog)) !== "go") return null;
  return field.value.trim() ? { status, tracking: field.value.trim() } : { status };
}

export async function sure(question, word) {
  at("sure-title").textContent = question;
  at("sure-go").textContent = word;
  return (await answered(at("sure"))) === "go";
}

function answered(dialog) {
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue), { once: true }));
}
