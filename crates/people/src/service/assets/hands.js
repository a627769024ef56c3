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
