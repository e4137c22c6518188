// Makes elements. Text is always text: nothing that came over the network is read as markup.

export function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

export function say(place, sentence, refused = false) {
  place.textContent = sentence;
  place.classList.toggle("refused", refused);
}

const NUMBERS = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const TIMES = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const DATES = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });

export const number = (value) => NUMBERS.format(value);
export const time = (moment = new Date()) => TIMES.format(moment);
export const date = (text) => DATES.format(new Date(text));
