// The one script of the annotation pages, in five files that are served as one module, in this order: device, outbox,
// ranking, hands, page. All words come from the page (data-texts), so that a translation needs no code.
//
// This file: what is kept on the device, the words near the button, and talking to the server.
const body = document.body;
const main = document.getElementById("main");
const person = body.dataset.person || "";
const texts = JSON.parse(body.dataset.texts || "{}");
const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const t = (key, values = {}) =>
  (texts[key] ?? key).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
const clock = (time) => new Date(time).toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit" });
document.documentElement.classList.add("js");

// ---- Storage: the device's own, or this tab's memory where the browser forbids it (and then the page says so).
const memory = new Map();
const store = {
  weak: false,
  get(key) {
    if (memory.has(key)) return memory.get(key);
    try { return JSON.parse(localStorage.getItem(key)); } catch { return null; }
  },
  set(key, value) {
    try { localStorage.setItem(key, JSON.stringify(value)); memory.delete(key); }
    catch { memory.set(key, value); store.weak = true; }
  },
  delete(key) {
    memory.delete(key);
    try { localStorage.removeItem(key); } catch { /* nothing was stored */ }
  },
  entries(prefix) {
    let keys = [];
    try { keys = Object.keys(localStorage); } catch { /* memory only */ }
    const all = new Set([...keys, ...memory.keys()].filter((key) => key.startsWith(prefix)));
    return [...all].map((key) => [key, store.get(key)]).filter(([, value]) => value);
  },
};
const OUT = "trimtab.out.", DONE = "trimtab.done.", DRAFT = "trimtab.draft.";

// ---- Words near the button. `net` is how sending stands, `note` the last quiet word about this task.
let net = "ok", note = "", flash = "", spoken = "";
function speak(words) {
  const live = $("#live");
  if (live && words) live.textContent = live.textContent === words ? words + "\u00a0" : words;
}
function showState() {
  const n = mine().length;
  const waiting = {
    sending: t("saving"), offline: t("offline", { n }), server: t("server", { n }), signedout: t("signed_out", { n }),
  };
  let words = note;
  if (n > 0 && waiting[net]) words = waiting[net];
  else if (net === "signedout") words = t("signed_out_none");
  const refused = outbox().length - n;
  if (refused > 0) words = `${t("refused_n", { n: refused })} ${words}`;
  if (flash) words = flash;
  if (n > 0 && store.weak) words += " " + t("weak");
  for (const place of $$("[data-state]")) place.textContent = words;
  if (words !== spoken) speak(words);
  spoken = words;
  body.dataset.net = n > 0 ? net : "ok";
}
// For a moment: an answer to what was just tried.
function tell(words) {
  flash = words;
  showState();
  setTimeout(() => { if (flash === words) { flash = ""; showState(); } }, 6000);
}

// ---- Talking to the server. Its clock counts, not the device's: leases end by it.
let skew = 0;
const now = () => Date.now() + skew;
async function ask(path, options = {}) {
  const response = await fetch(path, {
    cache: "no-store", credentials: "same-origin", redirect: "error", signal: AbortSignal.timeout(20000),
    ...options, headers: { Accept: "application/json", ...options.headers },
  });
  const date = Date.parse(response.headers.get("Date") ?? "");
  if (date) skew = date - Date.now();
  // A hotel's sign-in page also answers 200: only JSON counts as an answer.
  const answer = await response.json().catch(() => null);
  if (response.ok && answer === null) throw new Error("not an answer of the service");
  if (net === "signedout" && response.ok) net = "ok";
  return { status: response.status, answer, after: Number(response.headers.get("Retry-After")) || 0 };
}
// Who this page thinks is signed in: in another tab it may be somebody else by now, whose work this is not.
const post = (path, text) =>
  ask(path, { method: "POST", body: text, headers: { "Content-Type": "application/json", "X-Person": body.dataset.person } });
