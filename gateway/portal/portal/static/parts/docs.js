// The API page: one Swagger UI, a choice of documents, and one sign-in that is shown to all of them.

/* global SwaggerUIBundle */

import { read, reach } from "./asking.js";
import { element, say } from "./dom.js";
import { Session } from "./session.js";

const SERVICES = ["all", "auth", "catalog", "cart", "orders", "notifier", "realtime"];
const SCHEME = "bearer"; // its name in every document

const at = (id) => document.getElementById(id);
const session = new Session(() => showWho("The session has ended; sign in again."));
const wanted = location.hash.match(/^#service=(\w+)$/)?.[1];
let chosen = SERVICES.includes(wanted) ? wanted : "all";

const dark = matchMedia("(prefers-color-scheme: dark)");
const shade = () => document.documentElement.classList.toggle("dark-mode", dark.matches); // Swagger UI's word for it

const address = (name) => (name === "all" ? "/docs/openapi.json" : `/docs/openapi/${name}.json`);

const ui = SwaggerUIBundle({
  dom_id: "#ui",
  deepLinking: false,
  docExpansion: "list",
  defaultModelsExpandDepth: -1,
  filter: true,
  validatorUrl: null,
  persistAuthorization: false, // it would be kept when the tab is closed; the session keeps it until then
  requestInterceptor: renewed,
  onComplete: () => authorize(),
});

// The token that Swagger UI holds may have run out since it was given one.
async function renewed(request) {
  if (!request.headers.Authorization || !session.user) return request;
  const token = await session.token();
  if (token) request.headers.Authorization = `Bearer ${token}`;
  else delete request.headers.Authorization;
  return request;
}

async function authorize() {
  const token = await session.token().catch(() => null);
  if (token) ui.preauthorizeApiKey(SCHEME, token);
  else if (ui.authSelectors.authorized()?.has(SCHEME)) ui.authActions.logout([SCHEME]);
}

// `moved` is whether somebody has just signed in or out, and so wants to go on from there.
function showWho(sentence = "", moved = false) {
  at("sign-in").hidden = Boolean(session.user);
  at("signed-in").hidden = !session.user;
  at("who").textContent = session.user?.username ?? "";
  say(at("said"), sentence, Boolean(sentence));
  if (moved) (session.user ? at("sign-out") : at("sign-in").elements.name).focus();
  authorize();
}

function choose(name) {
  history.replaceState(null, "", name === "all" ? location.pathname : `#service=${name}`);
  load(name);
}

// Read once, by us: Swagger UI does not tell what came, and this has a word on what is missing in it.
async function load(name) {
  chosen = name;
  at("file").href = address(name);
  say(at("missing"), "");
  ui.specActions.updateLoadingStatus("loading");
  const found = await reach(address(name)).then(read).catch(() => null);
  if (name === chosen) show(name, found);
}

function show(name, found) {
  const missing = found ? (found["x-missing"] ?? []) : name === "all" ? SERVICES.slice(1) : [name];
  if (missing.length) say(at("missing"), `Not to be read at the moment, for no answer came: ${missing.join(", ")}.`, true);
  ui.specActions.updateLoadingStatus(found ? "success" : "failed");
  if (!found) return;
  ui.specActions.updateUrl(address(name));
  ui.specActions.updateSpec(JSON.stringify(found));
}

at("services").append(
  ...SERVICES.map((name) => {
    const input = element("input", { type: "radio", name: "service", value: name, checked: name === chosen });
    return element("label", {}, input, element("span", { textContent: name }));
  }),
);
at("services").addEventListener("change", (event) => choose(event.target.value));
at("sign-in").addEventListener("submit", async (event) => {
  event.preventDefault();
  const { name, password } = event.target.elements;
  const button = event.target.querySelector("button");
  button.disabled = true;
  try {
    await session.begin(name.value, password.value);
    event.target.reset();
    showWho("", true);
  } catch (error) {
    showWho(error.message);
    password.focus();
  } finally {
    button.disabled = false;
  }
});
at("sign-out").addEventListener("click", async () => {
  await session.end();
  showWho("", true);
});
dark.addEventListener("change", shade);
shade();
showWho();
load(chosen);
