// Listens to /ws/products/ and misses nothing: what was cut off is taken up again behind the last number that was heard.

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 30_000;
const ANSWER_MS = 10_000;

export class Feed {
  // tell(what, about): connecting, live, waiting {until, since}, resumed {missed}, reset, snapshot {counts}, update {product, sold, missed}
  constructor(url, tell) {
    this.url = url;
    this.tell = tell;
    this.stream = null;
    this.seq = 0;
    this.last = Date.now(); // when something was heard
    this.failures = 0;
    this.resuming = null;
    addEventListener("online", () => this.waiting && this.connect());
    addEventListener("offline", () => this.socket && this.giveUp());
  }

  connect() {
    if (this.socket) return;
    clearTimeout(this.waiting);
    this.waiting = null;
    this.tell("connecting");
    const socket = new WebSocket(this.url);
    this.socket = socket;
    this.expect(ANSWER_MS);
    socket.onmessage = (event) => socket === this.socket && this.hear(JSON.parse(event.data));
    socket.onclose = (event) => socket === this.socket && this.lose(event.code);
  }

  lose(code) {
    this.socket = null;
    this.resuming = null;
    clearTimeout(this.silence);
    // Everyone is thrown off at once by a restart: each waits for a time of its own, longer after each failure.
    const most = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** ++this.failures);
    const wait = most / 2 + (Math.random() * most) / 2;
    this.waiting = setTimeout(() => this.connect(), wait);
    this.tell("waiting", { until: Date.now() + wait, since: this.last, code });
  }

  // A connection may die without a word; who hears nothing for a while asks, and who is not answered goes.
  expect(milliseconds, otherwise = () => this.giveUp()) {
    clearTimeout(this.silence);
    this.silence = setTimeout(otherwise, milliseconds);
  }

  ask() {
    this.send({ action: "ping" });
    this.expect(ANSWER_MS);
  }

  giveUp() {
    const socket = this.socket;
    this.lose(0);
    socket?.close();
  }

  send(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  hear(said) {
    this.last = Date.now();
    this.expect(this.heartbeat ?? ANSWER_MS, () => this.ask());
    if (said.type === "hello") this.greet(said);
    else if (said.type === "product_update") this.update(said);
    else if (said.type === "sold_counts") this.begin(said);
    else if (said.type === "pong") this.caughtUp();
    else if (said.type === "error") this.giveUp();
  }

  greet(hello) {
    this.heartbeat = hello.heartbeat_s * 1000;
    this.failures = 0;
    if (this.stream === null) return this.send({ action: "get_sold_counts" });
    this.resuming = { heard: this.seq, missed: 0, until: hello.seq };
    this.send({ action: "resume", stream: this.stream, last_seq: this.seq });
    this.send({ action: "ping" }); // answered when all has been told
  }

  update({ product_id: product, sold_count: sold, seq }) {
    if (this.stream === null) return; // the counts that were asked for come after it and hold it
    const missed = this.resuming !== null && seq <= this.resuming.until;
    if (this.resuming) {
      this.resuming.heard = Math.max(this.resuming.heard, seq);
      this.resuming.missed += missed;
    } else {
      this.seq = Math.max(this.seq, seq);
    }
    this.tell("update", { product, sold, seq, missed });
  }

  begin({ stream, seq, data, reset }) {
    this.stream = stream;
    this.seq = seq;
    this.resuming = null;
    this.tell("snapshot", { counts: new Map(data.map((each) => [each.id, each.sold_count])), seq });
    this.tell(reset ? "reset" : "live");
  }

  caughtUp() {
    if (!this.resuming) return;
    const { heard, missed } = this.resuming;
    this.seq = heard; // until now a second cut would have begun again where the first one did
    this.resuming = null;
    this.tell("resumed", { missed });
  }
}
