// The one script of the annotation pages: ranking by key, click and drag; drafts; and the outbox, which holds what the
// server has not yet acknowledged. All words come from the page (data-texts), so that a translation needs no code.
"use strict";
(() => {
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
    return { status: response.status, answer, after: Number(response.headers.get("Retry-After")) || 0 };
  }
  const post = (path, text) => ask(path, { method: "POST", body: text, headers: { "Content-Type": "application/json" } });

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

  // ---- The task on the page. Identifiers of answers are keys of Maps: a plain object has names of its own.
  let task = null;
  function open() {
    const el = $("#task");
    task = null;
    if (!el) return;
    const d = el.dataset;
    const cards = $$(".card", el);
    task = {
      el, cards, kind: d.kind, lease: d.lease, item: d.item, expires: Number(d.expires), guideline: d.guideline,
      revises: d.revises ?? null, shown: $$("[data-answer]", el).map((card) => card.dataset.answer),
      ranks: new Map(), flags: new Map(), verdict: null, last: [], undo: [],
      moves: 0, active: 0, first: null, opened: Date.now(), text: $("#text", el), original: $("#text", el)?.value ?? "",
    };
    for (const long of $$(".card.long", el)) fold(long, true);
    const draft = store.get(draftKey());
    if (draft?.person === person) { restore(draft); note = t("draft_found"); }
    else { if (d.saved) restore(JSON.parse(d.saved)); note = ""; }
    el.addEventListener("click", clicked);
    el.addEventListener("change", changed);
    el.addEventListener("input", typed);
    el.addEventListener("pointerdown", grab);
    if (unsent(task.item) && !task.revises) { task.sent = true; flush().then(() => unsent(task?.item) || goOn()); }
    paint();
    showState();
  }
  const draftKey = () => DRAFT + JSON.stringify([person, task.item, task.revises]);

  function restore(from) {
    task.ranks = new Map(Object.entries(from.ranks ?? {}).filter(([id]) => task.shown.includes(id)));
    task.flags = new Map(Object.entries(from.flags ?? {}).map(([id, flags]) => [id, new Set(flags)]));
    task.verdict = from.verdict ?? null;
    task.last = [...task.ranks.keys()];
    task.moves = from.moves ?? 0;
    task.active = from.active ?? 0;
    task.first = from.first ?? null;
    if (task.text && from.text != null) task.text.value = from.text;
    const set = (selector, value) => { const field = $(selector, task.el); if (field) field.value = value ?? ""; };
    set("#comment", from.comment);
    const [why, ...words] = (from.reason ?? "").split(": ");
    const radio = $$("[name=why]", task.el).find((r) => r.value === why);
    if (radio) radio.checked = true;
    set("#why-text", radio ? words.join(": ") : from.reason);
    const margin = $$("[name=margin]", task.el).find((r) => r.value === String(from.margin ?? ""));
    if (margin) margin.checked = true;
    const ideal = $("#ideal", task.el);
    if (ideal) ideal.checked = from.ideal ?? (from.text != null && from.text === task.original);
  }

  function content() {
    const plain = (map) => Object.fromEntries(map);
    const flags = new Map([...task.flags].filter(([, set]) => set.size).map(([id, set]) => [id, [...set]]));
    const why = $("[name=why]:checked", task.el)?.value ?? "";
    const words = $("#why-text", task.el)?.value.trim() ?? "";
    return {
      ranks: plain(task.ranks), flags: plain(flags), verdict: task.verdict,
      reason: task.verdict ? [why, words].filter(Boolean).join(": ") || null : null,
      comment: $("#comment", task.el)?.value.trim() || null,
      text: task.text ? task.text.value : null,
      margin: Number($("[name=margin]:checked", task.el)?.value) || null,
    };
  }

  // Every change is kept at once: a tab may be closed at any moment.
  function keep() {
    if (!task || task.sent) return;
    task.first ??= Date.now() - task.opened;
    store.set(draftKey(), {
      person, at: Date.now(), ...content(), ideal: $("#ideal", task.el)?.checked ?? false,
      moves: task.moves, active: Math.round(task.active), first: task.first,
    });
    note = t(store.weak ? /* key */ "draft_weak" : /* key */ "draft");
    paint();
    showState();
  }

  // ---- What can be done to a ranking. Each act can be undone.
  function remember() {
    const copy = new Map([...task.flags].map(([id, set]) => [id, new Set(set)]));
    task.undo.push({ ranks: new Map(task.ranks), flags: copy, verdict: task.verdict, last: [...task.last] });
  }
  function undo() {
    const before = task?.undo.pop();
    if (!before || task.sent) return;
    Object.assign(task, before);
    task.moves += 1;
    keep();
    speak(t("undone"));
  }
  function give(id, rank) {
    remember();
    task.verdict = null;
    task.last = task.last.filter((other) => other !== id);
    if (rank === null) task.ranks.delete(id);
    else { task.ranks.set(id, rank); task.last.push(id); }
    task.moves += 1;
    keep();
    const card = cardOf(id);
    speak(`${t("answer", { letter: card.dataset.letter })}: ${$("[data-given]", card).textContent || t("not_ranked")}`);
  }
  // Puts an answer alone between others: those from `rank` on make room, as few of them as it takes.
  function insert(id, rank) {
    const others = [...task.ranks].filter(([other]) => other !== id);
    const taken = new Set(others.map(([, r]) => r));
    const moved = new Map(others);
    const shift = (test, by) => { for (const [other, r] of others) if (test(r)) moved.set(other, r + by); };
    let hole = rank;
    while (taken.has(hole)) hole += 1;
    if (hole <= task.shown.length) shift((r) => r >= rank && r < hole, 1);
    else {
      hole = rank - 1;
      while (taken.has(hole)) hole -= 1;
      shift((r) => r > hole && r < rank, -1);
      rank -= 1;
    }
    remember();
    const place = task.undo.pop();
    task.ranks = moved;
    give(id, rank);
    task.undo[task.undo.length - 1] = place;
  }
  function tie(id) {
    const with_ = task.last.filter((other) => other !== id && task.ranks.has(other)).at(-1);
    if (with_ === undefined) speak(t("nothing_to_tie"));
    else { give(id, task.ranks.get(with_)); goToUnranked(id); }
  }
  // An act of its own kind: a verdict puts ranks away, and a rank takes a verdict back.
  function decide(verdict) {
    if (task.sent) return;
    remember();
    task.verdict = task.verdict === verdict ? null : verdict;
    if (task.verdict && task.ranks.size) { task.ranks = new Map(); task.last = []; task.moves += 1; }
    keep();
    if (task.verdict === "skip" || task.verdict === "cannot_judge") $("[name=why]", task.el)?.focus();
  }
  function tick(id, flag, on) {
    remember();
    const set = task.flags.get(id) ?? new Set();
    on ? set.add(flag) : set.delete(flag);
    task.flags.set(id, set);
    keep();
  }

  // ---- What is missing, in words; empty where the task can be sent.
  function missing() {
    if (task.sent) return { words: t("sent_already"), blocked: true };
    const { verdict, reason } = content();
    if (verdict === "skip" && !reason) return { words: t("missing_reason"), blocked: true };
    if (verdict) return { words: t("verdict_ready") };
    if (task.kind !== "rank") {
      const text = task.text.value;
      if (!text.trim()) return { words: t("missing_text"), blocked: true };
      const same = task.kind === "edit" && text === task.original;
      if (same && !$("#ideal", task.el).checked) return { words: t("missing_edit"), blocked: true };
      return { words: "" };
    }
    const n = task.ranks.size, all = task.shown.length;
    if (n === 0) return { words: t("missing_ranks"), blocked: true };
    if (n < 2) return { words: t("missing_one", { n, all }), blocked: true };
    return { words: n < all ? t("partial", { n, all }) : t("complete", { n }) };
  }

  function paint() {
    const { words, blocked } = missing();
    const el = task.el;
    for (const card of task.cards) paintCard(card);
    if (task.kind === "rank") paintOrder();
    for (const b of $$("[data-verdict]", el)) b.setAttribute("aria-pressed", String(b.dataset.verdict === task.verdict));
    const why = $("#why", el);
    if (why) why.hidden = !(task.verdict === "skip" || task.verdict === "cannot_judge");
    $('[data-act="undo"]', el).disabled = task.undo.length === 0 || Boolean(task.sent);
    $('[data-act="submit"]', el).disabled = Boolean(blocked);
    const place = $("#missing", el);
    if (place.textContent !== words) place.textContent = words;
    if (task.text) $("#words", el).textContent = t("words", { n: (task.text.value.match(/\S+/g) ?? []).length });
  }
  function paintCard(card) {
    const id = card.dataset.answer, rank = task.ranks.get(id);
    const tied = task.cards.filter((c) => c !== card && rank && task.ranks.get(c.dataset.answer) === rank).map((c) => c.dataset.letter);
    let given = rank ? t("rank", { n: rank }) : "";
    if (tied.length) given += ", " + t("tied", { letters: tied.join(", ") });
    $("[data-given]", card).textContent = given;
    const name = t("answer_of", { letter: card.dataset.letter, n: task.cards.length });
    card.setAttribute("aria-label", `${name}, ${given || t("not_ranked")}`);
    card.classList.toggle("ranked", Boolean(rank));
    const buttons = $$('[data-act="rank"]', card);
    for (const b of buttons) {
      const on = Number(b.dataset.rank) === rank;
      b.setAttribute("aria-pressed", String(on));
      // One tab stop for the row of ranks; arrows move within.
      b.tabIndex = on || (!rank && b === buttons[0]) ? 0 : -1;
    }
    for (const box of $$("[data-flag]", card)) box.checked = task.flags.get(id)?.has(box.dataset.flag) ?? false;
  }
  function paintOrder() {
    const focused = document.activeElement?.closest?.(".chip")?.dataset.answer;
    for (const place of $$(".order .chips", task.el)) place.replaceChildren();
    for (const card of task.cards) {
      const id = card.dataset.answer, rank = task.ranks.get(id);
      const row = rank ? $(`.row[data-rank="${rank}"]`, task.el) : $(".tray", task.el);
      const chip = document.createElement("button");
      chip.type = "button";
      chip.className = "chip";
      chip.dataset.answer = id;
      chip.dataset.act = "goto";
      const first = document.createElement("span");
      first.textContent = $(".said", card).textContent.trim().slice(0, 60);
      const letter = document.createElement("b");
      letter.textContent = card.dataset.letter;
      chip.append(letter, first);
      chip.setAttribute("aria-label", `${card.getAttribute("aria-label")}. ${t("go_to")}`);
      $(".chips", row).append(chip);
      if (id === focused) chip.focus({ preventScroll: true });
    }
    for (const row of $$(".row", task.el)) row.classList.toggle("tie", $$(".chip", row).length > 1);
  }
  const cardOf = (id) => task.cards.find((card) => card.dataset.answer === id);
  function goToUnranked(id) {
    const at = task.cards.indexOf(cardOf(id));
    const order = [...task.cards.slice(at + 1), ...task.cards.slice(0, at)];
    (order.find((card) => !task.ranks.has(card.dataset.answer)) ?? task.cards[at]).focus();
  }
  function fold(card, folded) {
    const more = $(".more", card);
    card.classList.toggle("folded", folded);
    more.setAttribute("aria-expanded", String(!folded));
    more.textContent = t(folded ? /* key */ "show_all" : /* key */ "show_less");
  }

  // ---- Clicks, ticks and typing.
  function clicked(event) {
    const target = event.target.closest("[data-act]");
    if (!target || !task || dragged) return;
    const card = target.closest("[data-answer]");
    const acts = {
      rank() {
        const rank = Number(target.dataset.rank);
        if (!task.sent) give(card.dataset.answer, task.ranks.get(card.dataset.answer) === rank ? null : rank);
      },
      verdict() { decide(target.dataset.verdict); },
      goto() { const to = cardOf(card.dataset.answer); to.focus({ preventScroll: true }); to.scrollIntoView({ block: "nearest" }); },
      more() { fold(card, !card.classList.contains("folded")); },
      undo, submit, back: goBack, keys: showKeys,
    };
    acts[target.dataset.act]?.();
  }
  function changed(event) {
    const { flag } = event.target.dataset;
    if (flag) tick(event.target.closest("[data-answer]").dataset.answer, flag, event.target.checked);
    else if (event.target.matches("[type=radio], #ideal")) keep();
  }
  function typed(event) {
    if (event.target.matches("textarea, [type=text]")) keep();
  }

  // ---- Keys. Never in a field, never with a modifier, and single letters can be turned off in the overlay.
  const KEYS_OFF = "trimtab.keys-off";
  const letters = {
    u: undo, x: () => task.kind === "rank" && decide("all_bad"), c: () => decide("cannot_judge"), s: () => decide("skip"),
    m: () => $("#comment", task.el)?.focus(), b: goBack,
    g: () => { const guide = $("#guide", task.el); if (guide) { guide.open = !guide.open; guide.scrollIntoView({ block: "nearest" }); } },
  };
  function pressed(event) {
    const at = event.target, dialog = $("#keys");
    if (event.defaultPrevented || event.isComposing || dialog?.open) return;
    const field = at.matches?.("textarea, select, input:not([type=checkbox]):not([type=radio])");
    const command = event.ctrlKey || event.metaKey;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const use = () => event.preventDefault();
    if (field) {
      if (key === "Enter" && command && task) { use(); submit(); }
      if (key === "Escape" && task) { use(); (task.cards[0] ?? $("h1", task.el)).focus(); }
      return;
    }
    if (command) { if (key === "z" && task && !event.shiftKey) { use(); undo(); } return; }
    if (event.altKey) return;
    const off = store.get(KEYS_OFF);
    if (key === "?" && !off) { use(); showKeys(); return; }
    if (!task) return;
    if (key === "Enter" && at.matches?.(".card, [type=checkbox], [type=radio], h1, main, body")) { use(); submit(); return; }
    if (task.kind === "rank" && arrows(event, at)) return;
    if (off) return;
    const card = at.closest?.(".card, .chip");
    if (card && task.kind === "rank" && !task.sent && cardKey(key, card.dataset.answer)) { use(); return; }
    if (!card && task.kind === "rank" && /^[1-9=fha]$/.test(key)) { use(); task.cards[0].focus(); speak(t("choose_card")); return; }
    if (letters[key]) { use(); letters[key](); }
  }
  function cardKey(key, id) {
    const count = task.shown.length;
    const flag = { f: "false_claim", h: "harmful" }[key];
    if (/^[1-9]$/.test(key)) {
      if (Number(key) > count) tell(t("no_such_rank", { n: count }));
      else { give(id, Number(key)); goToUnranked(id); }
    } else if (key === "0" || key === "Backspace" || key === "Delete") give(id, null);
    else if (key === "=") tie(id);
    else if (key === "a") { const card = cardOf(id); if ($(".more", card)) fold(card, !card.classList.contains("folded")); }
    else if (flag) tick(id, flag, !task.flags.get(id)?.has(flag));
    else return false;
    return true;
  }
  function arrows(event, at) {
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (!step || at.matches("[type=radio]")) return false;
    const rtl = document.documentElement.dir === "rtl" && event.key.match(/Left|Right/) ? -1 : 1;
    const row = at.closest(".ranks");
    if (row && event.key.match(/Left|Right/)) {
      const buttons = $$("button", row);
      buttons[buttons.indexOf(at) + step * rtl]?.focus();
    } else {
      const card = at.closest(".card");
      if (!card && at !== body && at !== main && !at.matches("h1")) return false;
      const to = card ? task.cards[task.cards.indexOf(card) + step * rtl] : task.cards[0];
      to?.focus();
    }
    event.preventDefault();
    return true;
  }
  function showKeys() {
    const dialog = $("#keys");
    $("#keys-on").checked = !store.get(KEYS_OFF);
    dialog?.showModal();
  }

  // ---- Drag, by mouse, pen or finger: onto a row (a tie, where somebody is there), between rows, or into the tray.
  let dragged = false;
  function grab(event) {
    const chip = event.target.closest(".chip");
    if (!chip || event.button !== 0 || task.sent) return;
    const { clientX: x0, clientY: y0 } = event;
    const scroll0 = window.scrollY;
    let moving = false, drop = null;
    const move = (e) => {
      if (e.pointerId !== event.pointerId) return;
      const dx = e.clientX - x0, dy = e.clientY - y0 + window.scrollY - scroll0;
      // A press that trembles is still a click.
      if (!moving && Math.hypot(dx, dy) < 6) return;
      moving = true;
      chip.classList.add("dragging");
      chip.style.transform = `translate(${dx}px, ${dy}px)`;
      const edge = e.clientY < 60 ? -12 : e.clientY > window.innerHeight - 110 ? 12 : 0;
      if (edge) window.scrollBy(0, edge);
      drop = target(e.clientX, e.clientY);
      mark(drop);
    };
    const end = (e) => {
      if (e.type === "keydown" ? e.key !== "Escape" : e.pointerId !== event.pointerId) return;
      for (const type of ["pointermove", "pointerup", "pointercancel"]) chip.removeEventListener(type, type === "pointermove" ? move : end);
      document.removeEventListener("keydown", end);
      chip.classList.remove("dragging");
      chip.style.transform = "";
      mark(null);
      if (!moving) return;
      // The click that follows a drag is no click; it comes before the timer.
      dragged = true;
      setTimeout(() => { dragged = false; });
      if (e.type === "pointerup" && drop) place(chip.dataset.answer, drop);
    };
    // At once: a quick hand is off the chip before it is seen to move.
    chip.setPointerCapture(event.pointerId);
    chip.addEventListener("pointermove", move);
    chip.addEventListener("pointerup", end);
    chip.addEventListener("pointercancel", end);
    document.addEventListener("keydown", end);
  }
  // Where a drop would go: the middle of a row means that rank, its edges mean before or after.
  function target(x, y) {
    const box = $(".order", task.el).getBoundingClientRect();
    if (x < box.left - 40 || x > box.right + 40) return null;
    const rows = $$(".row", task.el);
    for (const row of rows) {
      const { top, bottom } = row.getBoundingClientRect();
      const edge = 9, rank = Number(row.dataset.rank);
      if (y < top - edge || y > bottom + edge) continue;
      if (y > top + edge && y < bottom - edge) return { row, rank };
      return y <= top + edge ? { row, rank, edge: "before" } : { row, rank: rank + 1, edge: "after" };
    }
    const tray = $(".tray", task.el), { top, bottom } = tray.getBoundingClientRect();
    return y >= top && y <= bottom ? { row: tray, rank: null } : null;
  }
  function mark(drop) {
    for (const row of $$(".over, .before, .after", task.el)) row.classList.remove("over", "before", "after");
    drop?.row.classList.add(drop.edge ?? "over");
  }
  function place(id, drop) {
    if (drop.edge) insert(id, drop.rank);
    else if (task.ranks.get(id) !== (drop.rank ?? undefined)) give(id, drop.rank);
  }

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
    const next = ahead;
    ahead = null;
    if (next && next.item !== task?.item && !unsent(next.item)) { show(next); return; }
    await flush();
    const found = await fetchNext("");
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
  function goBack() {
    if (mine().length) { tell(t("not_sent_yet")); return; }
    const done = store.entries(DONE).filter(([, e]) => e.person === person).sort((a, b) => b[1].at - a[1].at);
    const at = done.findIndex(([, e]) => e.judgement === task?.revises);
    const to = done[at + 1]?.[1];
    if (to) location.assign("/task?revise=" + encodeURIComponent(to.judgement)); else tell(t("nothing_before"));
  }
  function land(state) {
    if (!state?.judged) { if (state?.item !== task?.item) location.reload(); return; }
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
})();
