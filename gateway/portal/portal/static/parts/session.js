// A sign-in, kept for this tab and its duplicates: who it is, the token, and its renewal before it runs out.

import { post, reach, read, Refused } from "./asking.js";

const KEY = "stoa.session";
const EARLY_MS = 60_000;

const stored = () => sessionStorage.getItem(KEY) ?? "null";

export class Session {
  constructor(ended) {
    this.ended = ended;
    this.kept = JSON.parse(stored());
    this.renewal = null;
    // A duplicated tab begins with the same tokens, and what renews them is good once: whoever was first tells the others.
    this.twins = new BroadcastChannel(KEY);
    this.twins.onmessage = ({ data: { had, kept } }) => had === this.kept?.refresh && this.store(kept);
    // Going back may show a page as it was left, while another page of the tab has signed out or in.
    addEventListener("pageshow", (event) => event.persisted && stored() !== JSON.stringify(this.kept) && location.reload());
  }

  get user() {
    return this.kept?.user ?? null;
  }

  async begin(name, password) {
    const who = name.includes("@") ? { email: name } : { username: name };
    this.keep(await read(await post("/api/auth/login/", { ...who, password })));
    return this.user;
  }

  // `until` is when to renew: a minute before the token runs out, or with the last quarter of a shorter life.
  keep({ access_token: access, refresh_token: refresh, expires_in: seconds, user }) {
    const until = Date.now() + seconds * 1000 - Math.min(EARLY_MS, seconds * 250);
    this.store({ access, refresh, until, user: user ?? this.user });
  }

  store(kept) {
    this.kept = kept;
    sessionStorage.setItem(KEY, JSON.stringify(kept));
  }

  forget() {
    this.kept = null;
    sessionStorage.removeItem(KEY);
  }

  async end() {
    const token = this.kept?.access;
    this.forget();
    if (token) await post("/api/auth/logout/", {}, { Authorization: `Bearer ${token}` }).catch(() => {});
  }

  // A token that is good for a while; null when nobody is signed in. Several who ask share one renewal.
  async token() {
    if (this.kept && Date.now() > this.kept.until) {
      this.renewal ??= this.renew().finally(() => (this.renewal = null));
      await this.renewal;
    }
    return this.kept?.access ?? null;
  }

  async renew() {
    const had = this.kept;
    try {
      const renewed = await read(await post("/api/auth/refresh/", { refresh_token: had.refresh }));
      if (this.kept !== had) return; // somebody has signed out or in meanwhile, or a twin was faster
      this.keep(renewed);
      this.twins.postMessage({ had: had.refresh, kept: this.kept });
    } catch (error) {
      if (this.kept !== had) return;
      if (!(error instanceof Refused && [400, 401].includes(error.status))) throw error;
      this.lapse();
    }
  }

  lapse() {
    this.forget();
    this.ended();
  }

  async fetch(path, { headers, ...options } = {}) {
    const token = await this.token();
    const answer = await reach(path, { ...options, headers: { ...headers, ...(token && { Authorization: `Bearer ${token}` }) } });
    if (answer.status === 401 && token && token === this.kept?.access) this.lapse();
    return answer;
  }

  async ask(path, options) {
    return read(await this.fetch(path, options));
  }

  async send(method, path, body, headers = {}) {
    return this.ask(path, { method, headers: { "Content-Type": "application/json", ...headers }, body: JSON.stringify(body) });
  }
}
