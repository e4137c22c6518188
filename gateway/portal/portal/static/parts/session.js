// A sign-in, kept for this tab until it is closed: who it is, the token, and its renewal before it runs out.

const KEY = "stoa.session";
const EARLY_MS = 60_000;

export class Refused extends Error {
  // A problem (RFC 9457) that was answered; `field` is the first complaint about a field.
  constructor(status, problem) {
    const field = Object.entries(problem?.errors ?? {})[0];
    super(field ? `${field[0]}: ${field[1][0]}` : (problem?.detail ?? `The answer was ${status}.`));
    this.status = status;
    this.problem = problem ?? {};
  }
}

export async function read(answer) {
  const body = await answer.json().catch(() => null);
  if (!answer.ok) throw new Refused(answer.status, body);
  return body;
}

function post(path, body, headers = {}) {
  return fetch(path, { method: "POST", headers: { "Content-Type": "application/json", ...headers }, body: JSON.stringify(body) });
}

export class Session {
  constructor(ended) {
    this.ended = ended;
    this.kept = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
    this.renewal = null;
  }

  get user() {
    return this.kept?.user ?? null;
  }

  async begin(name, password) {
    const who = name.includes("@") ? { email: name } : { username: name };
    this.keep(await read(await post("/api/auth/login/", { ...who, password })));
    return this.user;
  }

  keep({ access_token: access, refresh_token: refresh, expires_in: seconds, user }) {
    this.kept = { access, refresh, until: Date.now() + seconds * 1000, user: user ?? this.user };
    sessionStorage.setItem(KEY, JSON.stringify(this.kept));
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
    if (this.kept && Date.now() > this.kept.until - EARLY_MS) {
      this.renewal ??= this.renew().finally(() => (this.renewal = null));
      await this.renewal;
    }
    return this.kept?.access ?? null;
  }

  async renew() {
    const answer = await post("/api/auth/refresh/", { refresh_token: this.kept.refresh });
    if (answer.ok) return this.keep(await answer.json());
    if (answer.status !== 401 && answer.status !== 400) throw new Refused(answer.status, await answer.json().catch(() => null));
    return this.lapse();
  }

  lapse() {
    this.forget();
    this.ended();
  }

  async fetch(path, { headers, ...options } = {}) {
    const token = await this.token();
    const answer = await fetch(path, { ...options, headers: { ...headers, ...(token && { Authorization: `Bearer ${token}` }) } });
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
