// Uploads at the desk: a file is sent, followed by its bar until it is over, and its bad rows are handed back.

import { read, Refused } from "./asking.js";
import { element, number, say } from "./dom.js";

const UPLOADS = "/api/products/bulk-upload/";
const PAUSE_MS = 500; // the worker writes its checkpoint with each thousand rows, a few times a second
const PATIENCE_MS = 3000;
const LATER = [408, 425, 429]; // refused for now, not for good
const WORDS = { pending: "fair", running: "fair", finished: "good", failed: "bad", cancelled: "bad" };

const at = (id) => document.getElementById(id);

export class Uploads {
  constructor(session) {
    this.session = session;
    this.key = null;
    this.form = at("upload");
    this.said = this.form.querySelector(".said");
    this.form.addEventListener("submit", (event) => this.begin(event));
    this.form.addEventListener("change", () => (this.key = null));
    document.addEventListener("visibilitychange", () => this.url && !this.over && this.look(this.url));
    at("template").addEventListener("click", () => this.save(`${UPLOADS}template/`, "products-template.csv"));
    at("job-errors").addEventListener("click", () => this.save(`${this.url}errors/`, "bad-rows.csv"));
    at("job-cancel").addEventListener("click", () => this.cancel());
  }

  open() {}

  close() {
    clearTimeout(this.next);
    this.url = this.key = null;
    at("job").hidden = true;
    say(this.said, "");
  }

  async begin(event) {
    event.preventDefault();
    const { file, mode, on_error: onError, dry_run: dryRun } = this.form.elements;
    const query = new URLSearchParams({ mode: mode.value, on_error: onError.value, dry_run: dryRun.checked });
    const button = this.form.querySelector("button");
    button.disabled = true;
    say(this.said, "Sending the file …");
    try {
      const accepted = await this.send(`${UPLOADS}?${query}`, file.files[0]);
      this.key = null;
      say(this.said, "");
      this.follow(accepted.status_url, file.files[0].name);
    } catch (error) {
      if (isFinal(error)) this.key = null;
      say(this.said, error instanceof Refused ? error.message : "The file did not get through; send it again.", true);
    } finally {
      button.disabled = false;
    }
  }

  // One key until there is an answer: what did not get through may have got there, and sent again it is the same upload.
  send(url, file) {
    const body = new FormData();
    body.append("file", file);
    this.key ??= newKey();
    const signal = null; // a large file takes as long as it takes
    return this.session.ask(url, { method: "POST", headers: { "Idempotency-Key": this.key }, body, signal });
  }

  follow(url, name) {
    this.url = url;
    this.over = false;
    at("job-file").textContent = name;
    at("job-bar").value = 0;
    at("job-share").textContent = "0 %";
    at("job-state").dataset.is = "fair";
    at("job-state").textContent = "sent";
    at("job-counts").textContent = "";
    at("job-errors").hidden = at("job-cancel").hidden = true;
    at("job").hidden = false;
    this.look(url);
  }

  async look(url) {
    clearTimeout(this.next);
    if (document.hidden) return;
    const wait = await this.ask(url);
    clearTimeout(this.next); // of who looked meanwhile
    if (url === this.url && !this.over) this.next = setTimeout(() => this.look(url), wait);
  }

  // How the upload is, shown; in how many milliseconds to ask again.
  async ask(url) {
    try {
      const answer = await this.session.fetch(url);
      if (answer.status >= 500 || LATER.includes(answer.status)) return Number(answer.headers.get("Retry-After")) * 1000 || PATIENCE_MS;
      const job = await read(answer);
      if (url === this.url) this.show(job);
      return PAUSE_MS;
    } catch (error) {
      if (url === this.url && isFinal(error)) this.lose(error);
      return PATIENCE_MS;
    }
  }

  lose(error) {
    this.over = true;
    at("job-state").dataset.is = "bad";
    at("job-state").textContent = "out of sight";
    at("job-cancel").hidden = true;
    say(this.said, error.message, true);
  }

  show(job) {
    const over = (this.over = job.finished_at !== null);
    const share = job.total ? Math.floor((100 * job.processed) / job.total) : over ? 100 : 0;
    at("job-bar").value = share;
    at("job-share").textContent = `${share} %`;
    at("job-state").dataset.is = WORDS[job.status];
    at("job-state").textContent = job.dry_run ? `${job.status}, only checked` : job.status;
    at("job-counts").textContent = counts(job);
    at("job-errors").hidden = !(over && job.failed);
    at("job-cancel").hidden = over;
    if (over && job.reason) say(this.said, job.reason, true);
  }

  async cancel() {
    const url = this.url;
    try {
      const job = await this.session.send("POST", `${url}cancel/`, {});
      if (url === this.url) this.show(job);
    } catch (error) {
      say(this.said, error.message, true);
    }
  }

  async save(url, name) {
    const answer = await this.session.fetch(url, { headers: { Accept: "text/csv" }, signal: null }).catch(() => null);
    if (!answer?.ok) return say(this.said, "The file cannot be had at the moment; try again.", true);
    const address = URL.createObjectURL(await answer.blob());
    element("a", { href: address, download: name }).click();
    return setTimeout(() => URL.revokeObjectURL(address), PATIENCE_MS);
  }
}

// Whether asking once more would be answered the same.
function isFinal(error) {
  if (!(error instanceof Refused) || error.problem.code === "idempotency_in_progress") return false;
  return error.status < 500 && !LATER.includes(error.status);
}

function counts(job) {
  const told = ["created", "updated", "unchanged", "duplicates"].filter((name) => job[name]).map((name) => `${number(job[name])} ${name}`);
  const speed = job.rows_per_second ? `, ${number(job.rows_per_second)} rows a second` : "";
  const bad = job.failed ? `, ${number(job.failed)} bad` : "";
  return `${number(job.processed)} of ${number(job.total)} rows: ${told.join(", ") || "none written"}${bad}${speed}`;
}

// crypto.randomUUID is only there over https and on the machine itself.
function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
