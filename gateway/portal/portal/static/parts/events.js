// The event catalogue, read from the AsyncAPI document that lies beside it.

import { reach } from "./asking.js";
import { element, say } from "./dom.js";

const last = (reference) => reference.split("/").pop();

function operations(document, channel) {
  const all = Object.values(document.operations).filter((each) => last(each.channel.$ref) === channel);
  const names = (action) => all.filter((each) => each.action === action).map((each) => each.tags[0].name);
  return { says: names("send"), hears: names("receive") };
}

// A type in few words; what a reference leads to is told line by line below it.
function word(schema) {
  if (schema.$ref) return last(schema.$ref);
  if (schema.anyOf) return schema.anyOf.map(word).join(" or ");
  if (schema.type === "array") return `list of ${word(schema.items)}`;
  return schema.format ?? (schema.pattern ? "decimal" : (schema.type ?? "anything"));
}

function inner(schema, schemas) {
  const reference = schema.$ref ?? schema.items?.$ref;
  return reference ? schemas[last(reference)] : null;
}

function lines(schema, schemas, deeper = false) {
  return Object.entries(schema.properties).flatMap(([name, field]) => {
    const need = schema.required?.includes(name) ? "always" : `if left out: ${JSON.stringify(field.default ?? null)}`;
    const cells = [word(field), need].map((text) => element("td", { textContent: text }));
    const within = inner(field, schemas);
    return [element("tr", { className: deeper ? "inner" : "" }, element("th", { textContent: name, scope: "row" }), ...cells), ...(within ? lines(within, schemas, true) : [])];
  });
}

function fields(schema, schemas) {
  const heads = ["Field", "Type", "There"].map((text) => element("th", { textContent: text, scope: "col" }));
  const table = element("table", {}, element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...lines(schema, schemas)));
  return element("div", { className: "scroll" }, table);
}

function ways({ says, hears }) {
  const owners = says.map((name) => element("b", { className: "owner", textContent: name }));
  const hearers = hears.map((name) => element("b", { textContent: name }));
  return element("p", { className: "ways" }, ...owners, "to", ...(hearers.length ? hearers : ["nobody yet"]));
}

function event(document, name) {
  const { messages, schemas } = document.components;
  const message = messages[name];
  const data = message.payload.allOf[1].properties.data;
  const head = element("div", { className: "head" }, element("h2", { textContent: name }), ways(operations(document, name)));
  const summary = element("p", { className: "quiet", textContent: message.summary });
  return element("section", { className: "panel event", id: name }, head, summary, fields(schemas[last(data.$ref)], schemas));
}

function envelope({ schemas }) {
  const head = element("div", { className: "head" }, element("h2", { textContent: "envelope" }));
  const summary = element("p", { className: "quiet", textContent: "Around each of them; `data` is what stands above." });
  return element("section", { className: "panel event", id: "envelope" }, head, summary, fields(schemas.Envelope, schemas));
}

async function show() {
  const answer = await reach("/docs/asyncapi.json");
  if (!answer.ok) throw new Error(answer.status);
  const document_ = await answer.json();
  const names = Object.keys(document_.channels);
  const links = [...names, "envelope"].map((name) => element("a", { href: `#${name}`, textContent: name }));
  document.querySelector("#index").append(...links);
  document.querySelector("#events").append(...names.map((name) => event(document_, name)), envelope(document_.components));
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

show().catch(() => say(document.querySelector("#said"), "The catalogue cannot be read at the moment; load the page again.", true));
