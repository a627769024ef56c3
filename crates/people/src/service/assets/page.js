// ---- Sending, and the next task, which is fetched while this one is worked on.
let ahead = null;
function submit() {
  const { words, blocked } = missing();
  if (blocked) { speak(words); return; }
  const key = newKey(), said = content();
  const judgement = {
    key, lease: task.lease, item: task.item, shown: task.shown, ...said, text: task.verdict ? null : said.text,
    margin: task.ranks.size ? said.margin : null, guideline: task.guideline, ui: body.dataset.ui,
    first_input_ms: task.first, active_ms: Math.round(task.active), moves: task.moves, revises: task.revises,
  };
  task.sent = true;
  note = "";
  store.set(OUT + key, { person, key, item: task.item, at: Date.now(), body: JSON.stringify(judgement) });
  store.delete(draftKey());
  history.replaceState({ judged: key }, "");
  net = "sending";
  paint();
  showState();
  flush();
  goOn();
}
async function fetchNext(besides) {
  try {
    const { status, answer } = await ask("/api/next" + (besides ? "?besides=" + encodeURIComponent(besides) : ""));
    if (status === 401) { net = "signedout"; showState(); }
    // What waits in the outbox is done, though the server cannot know it yet.
    if (status === 200 && answer.task && !unsent(answer.task.item)) return answer.task;
    return status === 200 && answer.none ? "none" : null;
  } catch { return null; }
}
async function prefetch() {
  const of = task;
  if (!of || of.sent) return;
  const found = await fetchNext(of.item);
  if (task === of && found !== "none") ahead = found;
}
async function goOn() {
  const next = ahead?.item !== task?.item && !unsent(ahead?.item) ? ahead : null;
  ahead = null;
  if (next && !(next.expires < now())) { show(next); return; }
  await flush();
  // One whose lease ended while it waited is still better than none.
  const found = (await fetchNext("")) ?? next;
  if (found && found !== "none") show(found);
  else if (found === "none" && mine().length === 0) location.replace("/task");
  else between();
}
function show(next) {
  main.innerHTML = next.html;
  history.pushState({ item: next.item }, "", "/task");
  const kept = note;
  open();
  if (!note) { note = kept; showState(); }
  window.scrollTo(0, 0);
  begin();
  document.title = `${$("h1", main).textContent} · trimtab`;
  speak(`${t("next_task")} ${$("h1", main).textContent}`);
  flush().then(prefetch);
}
// Nothing to show yet: no network, or the last task is still with us. It looks again by itself.
let waiting = 0;
function between() {
  const template = $("#between");
  if (task) { main.replaceChildren(template.content.cloneNode(true)); task = null; main.focus(); }
  showState();
  clearTimeout(waiting);
  waiting = setTimeout(goOn, 5000);
}
function begin() { (task?.cards[0] ?? $("h1", main))?.focus({ preventScroll: true }); }

// ---- Back: by key, button, or the browser's own. What was sent is opened again as a revision, never sent twice.
async function goBack() {
  const from = task;
  // What is on its way a moment after it was submitted need not be asked for again.
  if (mine().length) await flush();
  if (task !== from) return;
  if (mine().length) { tell(t("not_sent_yet")); return; }
  const done = store.entries(DONE).filter(([, e]) => e.person === person).sort((a, b) => b[1].at - a[1].at);
  const at = done.findIndex(([, e]) => e.judgement === task?.revises);
  const to = done[at + 1]?.[1];
  if (to) location.assign("/task?revise=" + encodeURIComponent(to.judgement)); else tell(t("nothing_before"));
}
function land(state) {
  // A jump within the page, such as "Skip to content", has no state.
  if (!state) return;
  if (!state.judged) { if (state.item !== task?.item) location.reload(); return; }
  const done = store.get(DONE + state.judged);
  if (done) location.replace("/task?revise=" + encodeURIComponent(done.judgement));
  else if (unsentKey(state.judged)) { tell(t("not_sent_yet")); history.forward(); }
  else location.replace("/task");
}
const unsentKey = (key) => outbox().some(([, e]) => e.key === key);

// ---- Time. Active is: in sight, and something touched within the last half minute.
let touched = Date.now(), ticked = Date.now();
function touch() { touched = Date.now(); }
function tock() {
  const passed = Math.min(Date.now() - ticked, 2000);
  ticked = Date.now();
  if (!task || task.sent) return;
  if (document.visibilityState === "visible" && ticked - touched < 30000) task.active += passed;
  const late = task.expires > 0 && now() > task.expires, place = $("#expired", task.el);
  if (late && place.hidden) { place.hidden = false; speak(place.textContent); }
  else if (!late) place.hidden = true;
}
async function heartbeat() {
  const of = task;
  if (!of || of.sent || Date.now() - touched > 60000) return;
  try {
    const { status, answer } = await post("/api/heartbeat", JSON.stringify({ lease: of.lease }));
    if (status === 200 && answer.expires) of.expires = Number(answer.expires);
    else if (status === 401) { net = "signedout"; showState(); }
    else if (status === 404 || status === 409 || status === 410) of.expires = 1;
  } catch { /* said when something is to be sent */ }
}

// ---- Old drafts and receipts go after a month; an outbox never does.
function tidy() {
  for (const [key, value] of [...store.entries(DRAFT), ...store.entries(DONE)]) {
    if (!(value.at > Date.now() - 30 * 86400000)) store.delete(key);
  }
  for (const time of $$("time[datetime]")) {
    time.textContent = new Date(time.dateTime).toLocaleString(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
  }
}
// Where no task was free a moment ago, one may come back.
async function lookAgain() {
  if (!$('[data-none="waiting"], [data-none="empty"]') || document.visibilityState !== "visible") return;
  const found = await fetchNext("");
  if (found && found !== "none") show(found);
}

for (const type of ["pointerdown", "pointermove", "keydown", "wheel", "scroll", "touchstart"]) addEventListener(type, touch, { passive: true });
document.addEventListener("keydown", pressed);
document.addEventListener("change", (event) => { if (event.target.id === "keys-on") store.set(KEYS_OFF, !event.target.checked); });
document.addEventListener("click", (event) => { if (event.target.matches('[data-act="again"]')) goOn(); });
document.addEventListener("visibilitychange", () => { if (document.visibilityState === "visible") { flush(); lookAgain(); } else if (task?.first != null) keep(); });
addEventListener("online", () => { tries = 0; flush().then(() => { if (!task && $('main [data-act="again"]')) goOn(); }); });
addEventListener("pageshow", (event) => { if (event.persisted) flush(); });
addEventListener("storage", (event) => { if (event.key?.startsWith(OUT)) { showRefused(); showState(); } });
addEventListener("popstate", (event) => land(event.state));
addEventListener("beforeunload", (event) => { if (store.weak && mine().length) event.preventDefault(); });
setInterval(tock, 1000);
setInterval(heartbeat, 60000);
setInterval(lookAgain, 30000);

tidy();
showRefused();
if ($("#task") && history.state?.judged) land(history.state);
else {
  open();
  if (task) { history.replaceState({ item: task.item }, ""); begin(); }
  flush().then(prefetch);
}
