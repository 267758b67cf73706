// Keeps the parts of a run's page up to date: the server says which parts changed, and each is
// fetched again. Nothing is needed for reading or for deciding: forms and links work without it.
"use strict";

const TICK = 500; // ms between two looks at what is stale
const RESTS = 20; // times as long as fetching a part took, it is left as it is
const stale = new Set();
const restsUntil = {};

// A part is left alone while somebody types in it, or has opened something in it.
function busy(part) {
  const active = document.activeElement;
  if (part.contains(active) && active.matches("input, select, textarea, button")) return true;
  if (part.querySelector("details[open]")) return true;
  return [...part.querySelectorAll("textarea, input[type=text]")].some((field) => field.value);
}

async function refresh(name) {
  const part = document.getElementById(`part-${name}`);
  if (part && (busy(part) || performance.now() < restsUntil[name])) return;
  stale.delete(name);
  if (!part) return;
  restsUntil[name] = Infinity;
  const began = performance.now();
  const inside = part.querySelector("[data-self]");
  // Each part asks in its own name: of requests in one name htmx sends only the last.
  const how = { source: part, target: part, swap: "innerHTML" };
  await htmx.ajax("GET", (inside || part).dataset.self, how);
  restsUntil[name] = performance.now() + RESTS * (performance.now() - began);
}

setInterval(() => stale.forEach(refresh), TICK);

function changed(names) {
  names.forEach((name) => stale.add(name));
  document.dispatchEvent(new CustomEvent("changed", { detail: names }));
}

// A browser keeps few connections to one address: pages that nobody looks at give theirs back.
let source = null;

function follow() {
  const address = document.body.dataset.events;
  if (!address) return;
  if (document.hidden) {
    if (source) source.close();
    source = null;
  } else if (!source) {
    source = new EventSource(address);
    source.addEventListener("changed", (event) => changed(JSON.parse(event.data)));
  }
}

document.addEventListener("visibilitychange", follow);
follow();

// A form is sent once; the word on its button says that it is on its way.
document.addEventListener("submit", (event) => {
  const button = event.submitter;
  if (!button || !button.dataset.busy) return;
  const told = event.target.querySelector("[data-told]");
  if (told) told.textContent = button.dataset.busy;
  setTimeout(() => (button.disabled = true), 0);
});
window.addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("button[data-busy]")) button.disabled = false;
});
