// The overview: asks every five seconds whether each part is up, as long as somebody looks.

const EVERY_MS = 5000;
const whole = document.querySelector("#whole");
let next = null;
const WORDS = { up: ["good", "up"], down: ["bad", "down"] };

for (const place of document.querySelectorAll("[data-address]")) place.textContent = location.origin;

function show(element, is, text) {
  element.dataset.is = is;
  if (element.textContent !== text) element.textContent = text;
}

function showAll(services) {
  for (const card of document.querySelectorAll("[data-service]")) {
    const [is, word] = WORDS[services[card.dataset.service]] ?? ["fair", "not known"];
    show(card.querySelector(".state"), is, word);
  }
}

async function ask() {
  try {
    const answer = await fetch("/api/health/", { signal: AbortSignal.timeout(EVERY_MS) });
    const { services } = await answer.json();
    const down = Object.keys(services).filter((name) => services[name] !== "up");
    showAll(services);
    if (down.length) show(whole, "bad", `${down.length} of ${Object.keys(services).length} down: ${down.join(", ")}`);
    else show(whole, "good", "All parts are up");
  } catch {
    showAll({});
    show(whole, "bad", "The gateway does not answer");
  }
}

async function look() {
  clearTimeout(next);
  if (document.hidden) return;
  await ask();
  clearTimeout(next); // of who looked meanwhile
  next = setTimeout(look, EVERY_MS);
}

document.addEventListener("visibilitychange", look);
look();
