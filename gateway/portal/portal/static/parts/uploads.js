// Uploads at the desk: a file is sent, followed by its bar until it is over, and its bad rows are handed back.

import { element, number, say } from "./dom.js";
import { Refused } from "./session.js";

const UPLOADS = "/api/products/bulk-upload/";
const PAUSE_MS = 500; // the worker writes its checkpoint with each thousand rows, a few times a second
const PATIENCE_MS = 3000;
const WORDS = { pending: "fair", running: "fair", finished: "good", failed: "bad", cancelled: "bad" };

const at = (id) => document.getElementById(id);

export class Uploads {
  constructor(session) {
    this.session = session;
    this.form = at("upload");
    this.said = this.form.querySelector(".said");
    this.form.addEventListener("submit", (event) => this.begin(event));
    at("template").addEventListener("click", () => this.save(`${UPLOADS}template/`, "products-template.csv"));
    at("job-errors").addEventListener("click", () => this.save(`${this.url}errors/`, "bad-rows.csv"));
    at("job-cancel").addEventListener("click", () => this.cancel());
  }

  open() {}

  close() {
    clearTimeout(this.next);
    this.url = null;
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
      say(this.said, "");
      this.follow(accepted.status_url, file.files[0].name);
    } catch (error) {
      say(this.said, error instanceof Refused ? error.message : "The file did not get through; send it again.", true);
    } finally {
      button.disabled = false;
    }
  }

  // One key for one press: a repeat by the browser is not a second upload.
  send(url, file) {
    const body = new FormData();
    body.append("file", file);
    return this.session.ask(url, { method: "POST", headers: { "Idempotency-Key": newKey() }, body });
  }

  follow(url, name) {
    clearTimeout(this.next);
    this.url = url;
    at("job").hidden = false;
    at("job-file").textContent = name;
    this.look(url);
  }

  async look(url) {
    let wait = PAUSE_MS;
    try {
      const answer = await this.session.fetch(url);
      if (!answer.ok) wait = Number(answer.headers.get("Retry-After") ?? 0) * 1000 || PATIENCE_MS;
      else if (url === this.url && this.show(await answer.json())) return;
    } catch {
      wait = PATIENCE_MS;
    }
    if (url === this.url) this.next = setTimeout(() => this.look(url), wait);
  }

  // Whether it is over.
  show(job) {
    const over = job.finished_at !== null;
    const share = job.total ? Math.floor((100 * job.processed) / job.total) : over ? 100 : 0;
    at("job-bar").value = share;
    at("job-share").textContent = `${share} %`;
    at("job-state").dataset.is = WORDS[job.status];
    at("job-state").textContent = job.dry_run ? `${job.status}, only checked` : job.status;
    at("job-counts").textContent = counts(job);
    at("job-errors").hidden = !(over && job.failed);
    at("job-cancel").hidden = over;
    if (over && job.reason) say(this.said, job.reason, true);
    return over;
  }

  async cancel() {
    try {
      this.show(await this.session.send("POST", `${this.url}cancel/`, {}));
    } catch (error) {
      say(this.said, error.message, true);
    }
  }

  async save(url, name) {
    const answer = await this.session.fetch(url, { headers: { Accept: "text/csv" } });
    if (!answer.ok) return say(this.said, "The file cannot be had at the moment; try again.", true);
    const address = URL.createObjectURL(await answer.blob());
    element("a", { href: address, download: name }).click();
    return setTimeout(() => URL.revokeObjectURL(address), PATIENCE_MS);
  }
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
