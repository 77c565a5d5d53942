// The rows of *Now*: the server sends those that have changed.

import { runTimes } from "./console.js";

const live = document.getElementById("live");
const filters = document.getElementById("filters");
const announcement = document.getElementById("announcement");
const showTimes = runTimes(live);
let last = live.dataset.stream;
let stream = null;

function row(html) {
  const template = document.createElement("template");
  template.innerHTML = html.trim();
  return template.content.firstElementChild;
}

function put(group, sid, html) {
  const old = document.getElementById(`room-${sid}`);
  const fresh = row(html);
  const focused = old?.contains(document.activeElement);
  if (old && old.dataset.group === group) {
    old.replaceWith(fresh);
  } else {
    old?.remove();
    fresh.classList.add("fresh");
    document.getElementById(`${group}-rows`).append(fresh);
  }
  window.htmx?.process(fresh);
  if (focused) fresh.querySelector("a")?.focus();
}

function count() {
  for (const group of ["waiting", "running"]) {
    const rows = document.getElementById(`${group}-rows`);
    // Not even a space may be left, or the page shows an empty table.
    if (!rows.firstElementChild) rows.replaceChildren();
    document.getElementById(`${group}-count`).textContent = rows.childElementCount || "";
  }
}

function take(event) {
  last = event.lastEventId;
  const { all, rows, gone, parts } = JSON.parse(event.data);
  if (all) for (const group of ["waiting", "running"]) document.getElementById(`${group}-rows`).replaceChildren();
  for (const sid of gone) document.getElementById(`room-${sid}`)?.remove();
  for (const [group, sid, html] of rows) put(group, sid, html);
  const waited = document.getElementById("waiting-rows").childElementCount;
  for (const [id, html] of Object.entries(parts)) {
    const part = document.getElementById(id);
    // A button that has the focus would lose it; the next change comes in a second.
    if (part.contains(document.activeElement)) continue;
    part.innerHTML = html;
    window.htmx?.process(part);
  }
  count();
  showTimes();
  const text = waited ? `${waited} waiting` : "nobody waits";
  if (announcement.textContent !== text) announcement.textContent = text;
}

function connect() {
  if (stream || document.hidden) return;
  const query = new URLSearchParams(new FormData(filters));
  query.set("last", last);
  stream = new EventSource(`/now/changes?${query}`);
  stream.addEventListener("message", take);
  stream.addEventListener("error", () => {
    // Refused, as the session is over: a stream that was only cut off connects by itself.
    if (stream?.readyState === EventSource.CLOSED) location.reload();
  });
}

// A browser has six connections to a server for all its tabs, so a tab that nobody sees keeps none.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    stream?.close();
    stream = null;
  } else {
    connect();
  }
});
for (const select of filters.querySelectorAll("select")) select.addEventListener("change", () => filters.requestSubmit());

count();
connect();
