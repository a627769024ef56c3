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
  const why = $("#why", task.el);
  if (!why.hidden) { $("[name=why]", why).focus(); why.scrollIntoView({ block: "nearest" }); }
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
  why.hidden = !(task.verdict === "skip" || task.verdict === "cannot_judge");
  const margin = $(".margin", el);
  if (margin) margin.hidden = Boolean(task.verdict);
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
