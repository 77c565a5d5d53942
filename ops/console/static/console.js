// What all pages do: the panel in front of the page, and times that run on.

const panel = document.getElementById("panel");

document.body.addEventListener("htmx:beforeSwap", (event) => {
  // A refusal has a page too, which says why.
  if (event.detail.xhr.getResponseHeader("content-type")?.startsWith("text/html")) event.detail.shouldSwap = true;
});
document.body.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target.id === "panel-content" && !panel.open) panel.showModal();
});
panel.addEventListener("click", (event) => {
  if (event.target === panel || event.target.closest("[data-close]")) {
    event.preventDefault();
    panel.close();
  }
});

document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

export function age(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const two = (value) => String(value).padStart(2, "0");
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${two(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${two(Math.floor((seconds % 3600) / 60))} min`;
}

export function runTimes(container) {
  // By the server's clock: the browser's may be wrong.
  const ahead = Number(container.dataset.now) - Date.now();
  const show = () => {
    const now = Date.now() + ahead;
    for (const time of container.querySelectorAll("time[data-since]")) {
      const text = age(now - Number(time.dataset.since));
      if (time.textContent !== text) time.textContent = text;
    }
  };
  show();
  setInterval(() => document.hidden || show(), 1000);
  return show;
}
