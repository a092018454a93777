// Keys, decisions without loading the page anew, and progress. Everything also works by links and forms.
"use strict";
const csrf = document.querySelector("meta[name=csrf]")?.content ?? "";
const help = document.getElementById("help");
const labelling = document.getElementById("labelling");
const rows = [...document.querySelectorAll(".rows tbody tr, article.pair")];
const one = document.getElementById("one");
const keysOn = document.getElementById("keys-on");
let at = -1;

function say(text) {
  const place = document.getElementById("said");
  place.textContent = text;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => { place.textContent = ""; }, 5000);
}

function go(to) {
  if (!rows.length) return;
  at = Math.max(0, Math.min(rows.length - 1, to));
  rows[at].focus();
  rows[at].scrollIntoView({ block: "nearest" });
}

function current() {
  return one ?? document.activeElement?.closest?.("[data-id]") ?? (at >= 0 && rows[at].dataset.id ? rows[at] : null);
}

async function decide(row, action, words = "") {
  const body = new URLSearchParams({ csrf, action, words });
  try {
    const answer = await fetch(`/samples/${encodeURIComponent(row.dataset.id)}/decide`,
      { method: "POST", body, headers: { Accept: "application/json" } });
    const said = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(said.error ? `${said.error.place}: expected ${said.error.expected}, received ${said.error.received}` : `the server said ${answer.status}`);
    show(row, said);
    say(`${said.reason}: ${said.sample_id}`);
  } catch (error) {
    say(`Not saved: ${error.message}`);
  }
}

function show(row, said) {
  const tag = document.createElement("span");
  const kind = said.passed === true ? "good" : said.passed === false ? "bad" : "none";
  tag.className = `tag person ${kind}`;
  tag.textContent = `${said.passed === true ? "✓" : said.passed === false ? "✗" : "·"} ${said.judge.replace("human:", "")}${said.passed === null ? ": " + said.reason : ""}`;
  row.querySelector(".verdicts")?.append(" ", tag);
}

function label(row) {
  const words = document.getElementById("label-words");
  words.value = "";
  labelling.returnValue = "";
  labelling.onclose = () => {
    row.focus();
    if (labelling.returnValue === "save" && words.value.trim()) decide(row, "label", words.value.trim());
  };
  labelling.showModal();
  words.focus();
}

function edit(row) {
  const form = document.getElementById("edit");
  if (!form) {
    location.href = `/samples/${encodeURIComponent(row.dataset.id)}#edit`;
    return;
  }
  form.open = true;
  document.getElementById("completion").focus();
}

const keys = {
  j: () => go(at + 1),
  k: () => go(at - 1),
  a: (row) => row && decide(row, "accept"),
  r: (row) => row && decide(row, "reject"),
  e: (row) => row && edit(row),
  l: (row) => row && label(row),
  n: () => document.getElementById("next")?.click(),
  p: () => history.back(),
  "/": () => document.querySelector("input[type=search]")?.select(),
  "?": () => help.showModal(),
  Enter: () => { if (document.activeElement?.matches("tr")) document.activeElement.querySelector("a")?.click(); },
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.target.matches("input, textarea, select")) return;
  if (keysOn && !keysOn.checked && event.key !== "Enter") return;
  const act = keys[event.key];
  if (!act || (event.key === "Enter" && !event.target.matches("tr"))) return;
  event.preventDefault();
  act(current());
});

rows.forEach((row, i) => row.addEventListener("focus", () => { at = i; }));
document.getElementById("help-button")?.addEventListener("click", () => help.showModal());
if (keysOn) {
  keysOn.checked = localStorage.getItem("flywheel-keys") !== "off";
  keysOn.addEventListener("change", () => localStorage.setItem("flywheel-keys", keysOn.checked ? "on" : "off"));
}
if (location.hash === "#edit" && one) window.addEventListener("load", () => setTimeout(() => edit(one))); // after the browser's own jump

const query = document.getElementById("query");
if (query) {
  document.getElementById("question").addEventListener("change", (event) => { if (event.target.value) query.value = event.target.value; });
  query.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) document.getElementById("sql-form").requestSubmit();
  });
}

const live = document.getElementById("live");
let stamp = null;
async function poll() {
  if (document.hidden) return;
  try {
    const answer = await fetch(`/live?run=${encodeURIComponent(live.dataset.run)}`);
    if (!answer.ok) return;
    const text = await answer.text();
    if (text !== poll.shown) live.innerHTML = text; // made by the server's template, which escapes
    poll.shown = text;
    const now = answer.headers.get("X-Store");
    if (stamp !== null && now !== stamp) document.getElementById("news").hidden = false;
    stamp ??= now;
  } catch { /* the server is gone; the next poll may find it */ }
}
if (live) {
  setInterval(poll, 3000);
  poll();
}
