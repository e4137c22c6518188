// Sends the token of a mailed link back. It stands behind the # of the address, which no server and no log ever sees.

const PATIENCE_MS = 65_000; // the gateway answers within 60 s, if only that the service took too long
const form = document.querySelector("form");
const status = document.querySelector("[role=status]");
const token = new URLSearchParams(location.hash.slice(1)).get("token");
history.replaceState(null, "", location.pathname);

function say(sentence, refused) {
  status.textContent = sentence;
  status.classList.toggle("refused", refused);
}

async function send(body) {
  const answer = await fetch(form.dataset.path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  const said = await answer.json();
  const refusal = said.errors?.new_password?.[0] ?? said.detail;
  return {
    done: answer.ok,
    sentence: answer.ok ? said.message : refusal,
    again: said.code === "weak_password" || answer.status >= 429,
  };
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const chosen = form.querySelector("#new");
  const again = form.querySelector("#again");
  if (chosen && chosen.value !== again.value) return say("The two passwords differ.", true);
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    const outcome = await send(chosen ? { token, new_password: chosen.value } : { token });
    say(outcome.sentence, !outcome.done);
    button.disabled = !outcome.again;
  } catch {
    say("The shop does not answer; try again in a moment.", true);
    button.disabled = false;
  }
});

form.hidden = !token;
if (!token) say("This link is not whole. Open the one in the mail, or copy all of it.", true);
