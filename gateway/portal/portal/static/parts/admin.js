// The operator's page: a door for administrators, and behind it the desk with uploads, orders and events under way.

import { say } from "./dom.js";
import { Operations } from "./operations.js";
import { Orders } from "./orders.js";
import { Session } from "./session.js";
import { Uploads } from "./uploads.js";

const at = (id) => document.getElementById(id);
const said = at("sign-in").querySelector(".said");
const session = new Session(() => close("The session has ended; sign in again."));
const desk = [new Uploads(session), new Orders(session), new Operations(session)];

function open() {
  at("who").textContent = session.user.username;
  at("door").hidden = true;
  at("desk").hidden = at("signed-in").hidden = false;
  for (const part of desk) part.open();
}

function close(sentence = "") {
  const left = !at("desk").hidden;
  for (const part of desk) part.close();
  at("desk").hidden = at("signed-in").hidden = true;
  at("door").hidden = false;
  say(said, sentence, Boolean(sentence));
  if (left) at("sign-in").elements.name.focus();
}

async function signIn(name, password) {
  const user = await session.begin(name, password);
  if (user.role === "admin") {
    open();
    return at("title").focus();
  }
  await session.end();
  return close("This account is no administrator's.");
}

at("sign-in").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    await signIn(form.elements.name.value, form.elements.password.value);
    form.reset();
  } catch (error) {
    say(said, error.message, true);
    form.elements.password.focus();
  } finally {
    button.disabled = false;
  }
});
at("sign-out").addEventListener("click", async () => {
  await session.end();
  close();
});

if (session.user?.role === "admin") open();
else close();
