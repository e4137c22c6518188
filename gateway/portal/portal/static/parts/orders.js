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
    at("orders-rows").replaceChildren();
    say(at("orders-said"), "");
  }

  async turn(page) {
    const { status, number: wanted } = at("filter").elements;
    const query = new URLSearchParams({ page, page_size: SHOWN });
    if (status.value) query.set("status", status.value);
    if (wanted.value.trim()) query.set("number", wanted.value.trim());
    try {
      const found = await this.session.ask(`${ORDERS}?${query}`);
      this.page = page;
      say(at("orders-said"), "");
      this.show(found);
    } catch (error) {
      say(at("orders-said"), error.message, true);
    }
  }

  show({ count, next, previous, results }) {
    at("orders-rows").replaceChildren(...results.map((order) => this.row(order)));
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
      element("td", { textContent: order.number }),
      element("td", { textContent: date(order.created_at) }),
      element("td", { textContent: what }),
      element("td", { className: "number", textContent: `${order.total} ${order.currency}` }),
      element("td", {}, state),
      element("td", {}, element("div", { className: "actions" }, ...moves)),
    );
    row.dataset.order = order.id;
    return row;
  }

  button(order, status, word) {
    const button = element("button", { className: status === "cancelled" ? "danger slim" : "plain slim", textContent: word });
    button.setAttribute("aria-label", `${word}: order ${order.number}`);
    button.addEventListener("click", async () => {
      const change = await wanted(order, status);
      if (change) await this.move(order, change);
    });
    return button;
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
    const old = document.querySelector(`[data-order="${order.id}"]`);
    old?.replaceWith(this.row(order));
  }
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
