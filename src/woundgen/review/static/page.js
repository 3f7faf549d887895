"use strict";
// Only the tiles in view exist, so that ten thousand images scroll as ten do. A decision counts when the server has it.

const base = location.pathname.replace(/\/?$/, "/");
const $ = (id) => document.getElementById(id);
const MARGIN = 3; // rows of tiles kept above and below the view
const INDEX = "number in the set";
let set = null, columns = new Map(), shown = [], selected = new Set(), cursor = 0, anchor = 0, busy = Promise.resolve();
const tiles = new Map(); // place -> element

function say(text) { $("status").textContent = text; }
function decision(index) { return set.decisions[index] || ["undecided", "", false]; }

async function load() {
  const reply = await fetch(base + "set", { cache: "no-store" }).catch(() => null);
  if (!reply || !reply.ok) { say("The server does not answer to this link. Reload, or start the command again."); return; }
  set = await reply.json();
  set.place = new Map(set.indices.map((index, place) => [index, place]));
  $("title").textContent = `Review of ${set.name}`; document.title = $("title").textContent;
  $("private").hidden = Object.keys(set.nearest).length === 0;
  columns = new Map([[INDEX, set.indices]]);
  for (const [name, values] of Object.entries(set.scores)) columns.set(name, values);
  for (const [name, values] of Object.entries(set.private)) columns.set(`private: ${name}`, values);
  for (const name of columns.keys()) for (const id of name === INDEX ? ["sort"] : ["sort", "score"]) $(id).add(new Option(name, name));
  for (const label of [...new Set(set.labels)].sort()) $("label").add(new Option(label, label));
  $("reasons").replaceChildren(...set.reasons.map((reason, n) => {
    const button = document.createElement("button"), key = document.createElement("kbd");
    button.type = "button"; key.textContent = n + 1;
    button.append(`${reason} `, key); button.addEventListener("click", () => decide("reject", reason));
    return button;
  }));
  if (innerWidth < 640) $("size").value = 96;
  arrange();
  $("scroll").focus();
}

function arrange(keep) {
  const values = columns.get($("sort").value) || set.indices, sign = $("down").checked ? -1 : 1;
  const wanted = $("verdict").value, label = $("label").value, only = columns.get($("score").value);
  const low = $("low").value === "" ? -Infinity : Number($("low").value), high = $("high").value === "" ? Infinity : Number($("high").value);
  const marked = shown[cursor];
  shown = set.indices.map((_, place) => place).filter((place) => {
    const verdict = decision(set.indices[place])[0];
    if (wanted !== "all" && verdict !== wanted) return false;
    if (label && set.labels[place] !== label) return false;
    if (only && !(only[place] !== null && only[place] >= low && only[place] <= high)) return false;
    return true;
  });
  // Images without the score come last either way.
  shown.sort((a, b) => (values[a] === null) - (values[b] === null) || sign * (values[a] - values[b]) || a - b);
  const again = keep ? shown.indexOf(marked) : -1;
  cursor = again >= 0 ? again : Math.max(0, Math.min(cursor, shown.length - 1));
  if (!keep) { cursor = 0; $("scroll").scrollTop = 0; }
  anchor = cursor;
  redraw();
}

function layout() {
  const width = $("scroll").clientWidth - 16, across = Math.max(1, Math.floor(width / (Number($("size").value) + 10)));
  const side = Math.floor(width / across);
  return { side, across, rows: Math.ceil(shown.length / across) };
}

function redraw() {
  const { side, across, rows } = layout(), view = $("scroll");
  $("grid").style.height = `${rows * side}px`;
  const first = Math.max(0, Math.floor(view.scrollTop / side) - MARGIN), last = Math.min(rows, Math.ceil((view.scrollTop + view.clientHeight) / side) + MARGIN);
  const wanted = new Set();
  for (let n = first * across; n < Math.min(shown.length, last * across); n++) {
    wanted.add(shown[n]);
    drawTile(n, side, across);
  }
  for (const [place, tile] of tiles) if (!wanted.has(place)) { tile.remove(); tiles.delete(place); }
  count();
}

function drawTile(n, side, across) {
  const place = shown[n], index = set.indices[place], [verdict, reason] = decision(index);
  let tile = tiles.get(place);
  if (!tile) {
    tile = document.createElement("div"); tile.setAttribute("role", "option"); tile.dataset.place = place;
    const image = document.createElement("img"), mark = document.createElement("span");
    image.src = `${base}image/${index}`; image.alt = `image ${index}`; image.draggable = false; mark.className = "mark";
    tile.append(image, mark); tiles.set(place, tile); $("grid").append(tile);
  }
  tile.style.width = `${side - 4}px`; tile.style.transform = `translate(${(n % across) * side}px, ${Math.floor(n / across) * side}px)`;
  tile.className = `tile ${verdict}${selected.has(place) ? " selected" : ""}${n === cursor ? " cursor" : ""}`;
  tile.setAttribute("aria-selected", String(selected.has(place)));
  tile.lastChild.textContent = verdict === "reject" ? `✕ ${reason}` : verdict === "accept" ? "✓ accepted" : "";
}

function count() {
  const verdicts = Object.values(set.decisions).map(([verdict]) => verdict), accepted = verdicts.filter((v) => v === "accept").length;
  $("counts").textContent = `${shown.length} of ${set.indices.length} shown · ${accepted} accepted, ${verdicts.length - accepted} rejected, ${set.indices.length - verdicts.length} undecided`;
  $("selected").textContent = selected.size ? `${selected.size} selected` : "";
  $("undo").disabled = set.last === null;
}

function targets() { return selected.size ? [...selected] : shown.length ? [shown[cursor]] : []; }

function nonce() { return Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join(""); }

// One at a time and in order; each is sent until the server has said that it is on disk.
function send(path, body) {
  busy = busy.then(async () => {
    for (;;) {
      const reply = await fetch(base + path, { method: "POST", cache: "no-store", headers: { "content-type": "application/json" }, body: JSON.stringify(body) }).catch(() => null);
      if (reply && (reply.status === 200 || reply.status === 409)) { Object.assign(set, await reply.json()); say(""); redraw(); return; }
      if (reply && reply.status < 500) { say("The server did not take this. Reload the page."); return; }
      say("Not saved yet; trying again. Leave this page open.");
      await new Promise((done) => setTimeout(done, 1500));
    }
  });
  return busy;
}

function decide(verdict, reason = "") {
  const places = targets();
  if (!places.length) return;
  const single = $("single").open;
  send("decide", { images: places.map((place) => set.indices[place]), verdict, reason, note: "", nonce: nonce() }).then(() => { if (single) showSingle(); });
  if (selected.size) { selected.clear(); redraw(); } else if (cursor < shown.length - 1) move(cursor + 1);
}

function undo() { if (set.last !== null) send("undo", { row: set.last }).then(() => { if ($("single").open) showSingle(); }); }

function move(to, extend) {
  cursor = Math.max(0, Math.min(shown.length - 1, to));
  if (extend) { for (let n = Math.min(anchor, cursor); n <= Math.max(anchor, cursor); n++) selected.add(shown[n]); } else anchor = cursor;
  const { side, across } = layout(), view = $("scroll"), top = Math.floor(cursor / across) * side;
  if (top < view.scrollTop) view.scrollTop = top; else if (top + side > view.scrollTop + view.clientHeight) view.scrollTop = top + side - view.clientHeight + 8;
  redraw();
  if ($("single").open) showSingle();
}

function showSingle() {
  if (!shown.length) return;
  const place = shown[cursor], index = set.indices[place], [verdict, reason] = decision(index);
  $("large").src = `${base}image/${index}`;
  $("caption").textContent = `image ${index}, label ${set.labels[place]}: ${verdict}${reason ? ` (${reason})` : ""}`;
  $("nearest").replaceChildren(...(set.nearest[index] || []).map((row, n) => {
    const figure = document.createElement("figure"), image = document.createElement("img"), text = document.createElement("figcaption");
    image.src = `${base}photograph/${row}`; image.alt = `photograph, nearest ${n + 1}`; text.textContent = `photograph, nearest ${n + 1}`;
    figure.append(image, text); return figure;
  }));
  $("facts").replaceChildren(...[...columns].filter(([name]) => name !== INDEX).map(([name, values]) => {
    const row = document.createElement("div"), term = document.createElement("dt"), text = document.createElement("dd");
    term.textContent = name; text.textContent = values[place] === null ? "–" : Number(values[place]).toPrecision(4);
    row.append(term, text); return row;
  }));
  if (!$("single").open) $("single").showModal();
}

document.addEventListener("keydown", (event) => {
  if (!set || $("keys").open) return;
  const key = event.key.toLowerCase(), { across } = layout();
  if (event.target instanceof HTMLInputElement && event.target.type === "number") return;
  if (event.target instanceof HTMLSelectElement) return;
  if ((event.ctrlKey || event.metaKey) && key === "a") { selected = new Set(shown); redraw(); event.preventDefault(); return; }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const steps = { arrowleft: -1, arrowright: 1, arrowup: -across, arrowdown: across, pageup: -4 * across, pagedown: 4 * across, home: -Infinity, end: Infinity };
  if (key in steps && event.target.type !== "range") { move(steps[key] === -Infinity ? 0 : steps[key] === Infinity ? shown.length - 1 : cursor + steps[key], event.shiftKey); event.preventDefault(); return; }
  const reason = set.reasons[Number(key) - 1];
  if (key === "a") decide("accept");
  else if (key === "u") decide("undecided");
  else if (key === "z") undo();
  else if (key === "n") $("large").classList.toggle("pixels");
  else if (key === "h" || key === "?") $("keys").showModal();
  else if (reason && /^[1-9]$/.test(key)) decide("reject", reason);
  else if (key === "escape" && !$("single").open) { selected.clear(); redraw(); }
  else if (key === " " && !(event.target instanceof HTMLButtonElement)) { const place = shown[cursor]; if (!selected.delete(place)) selected.add(place); anchor = cursor; redraw(); }
  else if (key === "enter" && !(event.target instanceof HTMLButtonElement)) showSingle();
  else return;
  event.preventDefault();
});
$("grid").addEventListener("click", (event) => {
  const tile = event.target.closest(".tile");
  if (!tile) return;
  const n = shown.indexOf(Number(tile.dataset.place));
  if (event.shiftKey) { move(n, true); return; }
  const place = shown[n];
  if (!selected.delete(place)) selected.add(place);
  cursor = anchor = n; redraw();
});
$("grid").addEventListener("dblclick", (event) => { const tile = event.target.closest(".tile"); if (tile) { selected.clear(); cursor = shown.indexOf(Number(tile.dataset.place)); redraw(); showSingle(); } });
let waiting = false;
$("scroll").addEventListener("scroll", () => { if (!waiting) { waiting = true; requestAnimationFrame(() => { waiting = false; redraw(); }); } }, { passive: true });
window.addEventListener("resize", () => set && redraw());
for (const id of ["sort", "down", "verdict", "label", "score", "low", "high"]) $(id).addEventListener("change", () => set && arrange());
$("size").addEventListener("input", () => set && redraw());
$("filters").addEventListener("submit", (event) => event.preventDefault());
for (const [id, action] of [["accept", () => decide("accept")], ["clear", () => decide("undecided")], ["undo", undo], ["all", () => { selected = new Set(shown); redraw(); }], ["close", () => $("single").close()], ["help", () => $("keys").showModal()]]) $(id).addEventListener("click", action);
load();
