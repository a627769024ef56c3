// ---- The outbox. An entry leaves it only when the server has said "stored", or the person discards a refused one.
// Entries carry whose they are: another person on this device must not send them.
const outbox = () => store.entries(OUT).filter(([, e]) => e.person === person && person).sort((a, b) => a[1].at - b[1].at);
const mine = () => outbox().filter(([, e]) => !e.refused);
const unsent = (item) => mine().some(([, e]) => e.item === item);
let flushing = null, again = false, retry = 0, tries = 0;

function flush() {
  clearTimeout(retry);
  if (flushing) { again = true; return flushing; }
  if (mine().length === 0) { showState(); return Promise.resolve(); }
  const work = async () => { for (let next; (next = mine()[0]) && (await send(...next)); ); };
  // Two tabs would send everything twice; harmless, since keys are idempotent, but not polite.
  const all = navigator.locks ? navigator.locks.request("trimtab-outbox", work) : work();
  flushing = Promise.resolve(all).catch(() => {}).finally(() => {
    flushing = null;
    showRefused();
    showState();
    if (again) { again = false; if (net === "ok") flush(); }
  });
  return flushing;
}

// Sends one entry; true where the next may follow.
async function send(key, entry) {
  net = "sending";
  showState();
  let reply;
  try { reply = await post("/api/judgements", entry.body); } catch { return later("offline", 0); }
  const { status, answer, after } = reply;
  if (status >= 200 && status < 300 && answer?.judgement) {
    store.set(DONE + entry.key, { person, judgement: answer.judgement, at: Date.now() });
    store.delete(key);
    net = "ok"; tries = 0;
    note = t(answer.late ? /* key */ "saved_late" : /* key */ "saved", { time: clock(answer.saved_at ?? Date.now()) });
    showState();
    return true;
  }
  if (status === 401) { net = "signedout"; return false; }
  if (status === 408 || status === 429 || status >= 500 || status < 400) return later("server", after);
  store.set(key, { ...entry, refused: answer?.error?.message || String(status) });
  net = "ok";
  return true;
}

function later(why, seconds) {
  net = why;
  tries += 1;
  const wait = seconds > 0 ? seconds * 1000 : Math.min(60000, 1000 * 2 ** Math.min(tries, 6)) * (0.75 + Math.random() / 2);
  clearTimeout(retry);
  retry = setTimeout(flush, wait);
  return false;
}

// What the server will never take stays in sight, so that a person's work does not vanish without a word.
function showRefused() {
  const place = $("#refused");
  if (!place) return;
  place.replaceChildren();
  for (const [key, entry] of outbox().filter(([, e]) => e.refused)) {
    const line = document.createElement("p");
    line.append(t("refused", { reason: entry.refused }), " ");
    const copy = button(t("copy"), () => {
      const done = () => tell(t("copied"));
      const shown = () => { const pre = document.createElement("pre"); pre.textContent = entry.body; line.after(pre); };
      if (navigator.clipboard) navigator.clipboard.writeText(entry.body).then(done, shown); else shown();
    });
    line.append(copy, " ", button(t("discard"), () => { store.delete(key); showRefused(); showState(); main.focus(); }));
    place.append(line);
  }
  const any = place.childElementCount > 0;
  if (any && place.hidden) speak(place.textContent);
  place.hidden = !any;
}
function button(words, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = words;
  made.addEventListener("click", act);
  return made;
}
function newKey() {
  if (crypto.randomUUID) return crypto.randomUUID();
  // Off HTTPS there is no randomUUID.
  return [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");
}
