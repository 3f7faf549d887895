"use strict";
// One reader's page. The server's state decides what is shown; nothing here counts an answer. An answer is sent with a
// mark of its own until the server has it, so that a lost connection loses nothing and counts nothing twice.

const base = location.pathname.replace(/\/?$/, "/");
const QUESTIONS = [
  ["call", [["real", "Real"], ["synthetic", "Synthetic"]]],
  ["confidence", [["1", "guess"], ["2", "unsure"], ["3", "fairly"], ["4", "sure"], ["5", "certain"]]],
  ["phase", []],
  ["plausibility", [["1", "not at all"], ["2", "hardly"], ["3", "partly"], ["4", "largely"], ["5", "fully"]]],
];
const PHASES = { I: "inflam\u00admatory", P: "prolif\u00aderative", R: "remod\u00adeling" };
const RETRY = 1500;
const $ = (id) => document.getElementById(id);

let state = null;
let active = 0;
let screen = "loading";
let shownSince = null;
let seconds = 0;
let sending = false;
let takenBack = null;
const pictures = new Map();

function show(name) {
  stopClock();
  screen = name;
  document.body.dataset.screen = name;
  for (const id of ["loading", "start", "reading", "paused", "end"]) $(id).hidden = id !== name;
  $("pause").hidden = name !== "reading";
  updateUndo();
}

function say(text) { $("status").textContent = text; }

// The clock counts only while the picture is to be seen.
function startClock() { if (shownSince === null && !document.hidden) shownSince = performance.now(); }
function stopClock() {
  if (shownSince !== null) { seconds += (performance.now() - shownSince) / 1000; shownSince = null; }
}

function keep(name, value) {
  try {
    if (value === null) sessionStorage.removeItem(base + name); else sessionStorage.setItem(base + name, JSON.stringify(value));
  } catch { /* private windows may have no storage: a reload then loses the draft, never an answer */ }
}
function kept(name) { try { return JSON.parse(sessionStorage.getItem(base + name)); } catch { return null; } }

async function ask(path, body) {
  const options = body === undefined ? {} : {
    method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body),
  };
  return fetch(base + path, { cache: "no-store", ...options });
}

async function picture(position) {
  if (!pictures.has(position)) {
    pictures.set(position, (async () => {
      const answer = await ask(`picture/${position}`);
      if (!answer.ok) throw new Error("no picture");
      return URL.createObjectURL(await answer.blob());
    })());
    pictures.get(position).catch(() => pictures.delete(position));
  }
  return pictures.get(position);
}

function forget(before) {
  for (const [position, url] of pictures) {
    if (position < before) { url.then((text) => URL.revokeObjectURL(text), () => {}); pictures.delete(position); }
  }
}

function build() {
  QUESTIONS[2][1] = [...state.phases.map((name) => [name, PHASES[name] || ""]), ["unsure", "cannot say"]];
  for (const [name, choices] of QUESTIONS) {
    const box = document.querySelector(`fieldset[data-name=${name}] .choices`);
    box.replaceChildren(...choices.map(([value, text], index) => {
      const label = document.createElement("label");
      const input = document.createElement("input");
      input.type = "radio"; input.name = name; input.value = value;
      const key = document.createElement("b");
      const word = document.createElement("span");
      key.textContent = name === "phase" && value !== "unsure" ? value : String(index + 1);
      if (name === "phase" && value === "unsure") key.textContent = "?";
      word.textContent = text;
      label.append(input, key, word);
      return label;
    }));
  }
}

function value(name) { const input = $("form").querySelector(`input[name=${name}]:checked`); return input ? input.value : null; }

function choose(name, wanted) {
  for (const input of $("form").querySelectorAll(`input[name=${name}]`)) input.checked = input.value === String(wanted);
}

function mark(index) {
  active = Math.max(0, Math.min(QUESTIONS.length - 1, index));
  document.querySelectorAll("fieldset").forEach((set, i) => set.classList.toggle("active", i === active && screen === "reading"));
}

function complete() { return QUESTIONS.every(([name]) => value(name) !== null); }

function changed() {
  $("save").disabled = sending || !complete();
  if (screen === "reading") keep("draft", draft());
}

function draft() {
  const now = shownSince === null ? 0 : (performance.now() - shownSince) / 1000;
  const filled = Object.fromEntries(QUESTIONS.map(([name]) => [name, value(name)]));
  return { position: state.done, ...filled, remark: $("remark").value, seconds: seconds + now };
}

function fill(from) {
  for (const [name] of QUESTIONS) choose(name, from ? from[name] : null);
  $("remark").value = from && from.remark ? from.remark : "";
  const open = QUESTIONS.findIndex(([name]) => value(name) === null);
  mark(open === -1 ? QUESTIONS.length - 1 : open);
}

function updateUndo() { $("undo").disabled = sending || !state || state.done === 0 || !["reading", "end"].includes(screen); }

function updateProgress() {
  $("title").textContent = state.title;
  document.title = `${state.done} of ${state.total} – ${state.title}`;
  $("bar").max = state.total; $("bar").value = state.done;
  $("count").textContent = state.done < state.total ? `picture ${state.done + 1} of ${state.total}` : `${state.total} of ${state.total}`;
  updateUndo();
}

async function next() {
  updateProgress();
  if (state.done >= state.total) {
    $("end-text").textContent = `You have answered all ${state.total} pictures.`;
    keep("draft", null); show("end"); return;
  }
  const position = state.done;
  $("large").classList.add("loading");
  let url;
  try { url = await picture(position); } catch { say("The picture could not be loaded; trying again."); setTimeout(next, RETRY); return; }
  if (position !== state.done) return;
  const [large, small] = [$("large"), $("small")];
  large.src = url; small.src = url; small.width = state.size; small.height = state.size;
  await Promise.all([large.decode(), small.decode()]).catch(() => {});
  show("reading");
  const before = kept("draft");
  const from = before && before.position === position ? before : takenBack;
  takenBack = null;
  seconds = from && from.seconds ? from.seconds : 0;
  fill(from);
  say("");
  changed();
  startClock();
  window.scrollTo(0, 0);
  forget(position);
  if (position + 1 < state.total) picture(position + 1).catch(() => {});
}

function nonce() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function save() {
  if (sending || screen !== "reading" || !complete()) return;
  stopClock();
  const one = draft();
  await deliver({
    position: one.position, nonce: nonce(), call: one.call, confidence: Number(one.confidence), phase: one.phase,
    plausibility: Number(one.plausibility), remark: one.remark, seconds: Math.round(one.seconds * 1000) / 1000,
  });
}

// Sends until the server has said that the answer is on disk. What is on its way survives a reload.
async function deliver(answer) {
  sending = true; changed(); updateUndo(); keep("pending", answer);
  for (;;) {
    try {
      const reply = await ask("answer", answer);
      if (reply.status === 200 || reply.status === 409) {
        state = await reply.json();
        keep("pending", null); keep("draft", null); sending = false;
        await next();
        if (reply.status === 409) say("That picture had been answered already, perhaps in another window. This is the next one.");
        return;
      }
      if (reply.status === 422 || reply.status === 404) {
        keep("pending", null); sending = false; changed();
        say("The server did not take this answer. Reload the page, or open your link again.");
        return;
      }
      say("Not saved yet: the server has a problem. Trying again.");
    } catch { say("Not saved yet: no connection. Trying again; please leave this page open."); }
    await new Promise((done) => setTimeout(done, RETRY));
  }
}

async function undo() {
  if ($("undo").disabled) return;
  const wanted = state.done - 1, last = state.last;
  sending = true; updateUndo();
  try {
    const reply = await ask("undo", { position: wanted });
    if (reply.status === 200 || reply.status === 409) {
      state = await reply.json();
      takenBack = reply.status === 200 ? last : null;
      keep("draft", null);
      sending = false;
      await next();
      say(reply.status === 200 ? "The last answer is taken back. Change it and save it again." : "");
      return;
    }
  } catch { /* said below */ }
  sending = false; updateUndo();
  say("It could not be taken back: no connection. Try again.");
}

function pause() { if (screen === "reading") { keep("draft", draft()); show("paused"); $("resume").focus(); } }
function toggle() {
  const pixels = $("large").classList.toggle("pixels");
  $("smooth").setAttribute("aria-pressed", String(!pixels));
  $("smooth").firstChild.textContent = pixels ? "Enlarged: pixels " : "Enlarged: smooth ";
}

async function refresh() {
  for (;;) {
    try {
      const reply = await ask("state");
      if (reply.status === 404) { say("This link is not known to the server. Ask whoever gave it to you."); return false; }
      if (reply.ok) { state = await reply.json(); return true; }
    } catch { /* tried again */ }
    say("No connection to the server. Trying again.");
    await new Promise((done) => setTimeout(done, RETRY));
  }
}

async function begin() {
  say("");
  if (!(await refresh())) return;
  const pending = kept("pending");
  if (pending && pending.position >= state.done) { await deliver(pending); return; }
  keep("pending", null);
  await next();
}

async function load() {
  if (!(await refresh())) return;
  say("");
  build(); updateProgress();
  if (state.done >= state.total) { await next(); return; }
  const resumed = state.done > 0;
  $("start-phases").textContent = state.phases.map((name) => [name, (PHASES[name] || "").replace("\u00ad", "")].join(" ").trim()).join(", ");
  $("start-where").textContent = resumed ? `Welcome back. ${state.done} of ${state.total} pictures are answered.` : `${state.total} pictures, about ${Math.ceil(state.total / 5)} minutes.`;
  $("start-text").hidden = false;
  $("begin").firstChild.textContent = resumed ? "Go on " : "Begin ";
  show("start");
  $("begin").focus();
}

// On a phone the picture stands beside its small copy, so that all questions fit; a tap gives it the whole width.
$("large").addEventListener("click", () => document.querySelector(".stage").classList.toggle("whole"));

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) save();
    return;
  }
  if ($("keys").open) return;
  const writing = event.target === $("remark");
  if (writing) { if (event.key === "Escape") { $("remark").blur(); event.preventDefault(); } return; }
  const key = event.key.toLowerCase();
  if (key === "h" || key === "?") { $("keys").showModal(); event.preventDefault(); return; }
  if (key === "z") { undo(); event.preventDefault(); return; }
  if (event.repeat) return;
  if (key === "enter") {
    if (event.target instanceof HTMLButtonElement && event.target.id !== "save") return;
    event.preventDefault();
    if (screen === "start") begin(); else if (screen === "paused") resume(); else save();
    return;
  }
  if (screen !== "reading") return;
  const actions = {
    p: pause, n: toggle, r: () => $("remark").focus(), arrowup: () => mark(active - 1), arrowdown: () => mark(active + 1),
    backspace: () => mark(active - 1),
  };
  if (actions[key]) { actions[key](); event.preventDefault(); return; }
  const [name, choices] = QUESTIONS[active];
  const index = Number(key) - 1;
  const byName = choices.findIndex(([text]) => name === "phase" && text.toLowerCase() === key);
  const wanted = choices[byName >= 0 ? byName : index];
  if (wanted && (byName >= 0 || /^[1-9]$/.test(key))) {
    choose(name, wanted[0]);
    mark(active + 1);
    changed();
    event.preventDefault();
  }
}

function resume() { show("reading"); mark(active); changed(); startClock(); }

document.addEventListener("keydown", onKey);
document.addEventListener("visibilitychange", () => {
  if (screen !== "reading") return;
  if (document.hidden) { stopClock(); keep("draft", draft()); } else if (!sending) startClock();
});
window.addEventListener("pagehide", () => { if (screen === "reading" && !sending) keep("draft", draft()); });
$("form").addEventListener("submit", (event) => { event.preventDefault(); save(); });
$("form").addEventListener("change", (event) => {
  const index = QUESTIONS.findIndex(([name]) => name === event.target.name);
  if (index >= 0) mark(index + 1);
  changed();
});
$("remark").addEventListener("input", changed);
for (const [id, action] of [["begin", begin], ["resume", resume], ["pause", pause], ["undo", undo], ["smooth", toggle], ["help", () => $("keys").showModal()]]) {
  $(id).addEventListener("click", action);
}
load();
