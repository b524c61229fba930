// The page: an address such as #/run/ID picks a view; the event stream tells the view what to fetch again.

import { listen } from "./api.js";
import { redrawAll } from "./chart.js";
import { clusterPage } from "./cluster.js";
import { evaluationPage } from "./compare.js";
import { fill, h } from "./dom.js";
import { ago, until } from "./format.js";
import { datasetPage } from "./dataset.js";
import { overviewPage } from "./overview.js";
import { runPage } from "./run.js";
import { worldsPage } from "./worlds.js";

const ROUTES = [
  [/^#\/data\/([\w-]+)$/, datasetPage, "Dataset"],
  [/^#\/run\/([\w-]+)$/, runPage, "Run"],
  [/^#\/worlds(?:\?|$)/, worldsPage, "Worlds"],
  [/^#\/evaluation(?:\?|$)/, evaluationPage, "Evaluation"],
  [/^#\/cluster$/, clusterPage, "Cluster"],
  [/^(?:#\/?)?$/, overviewPage, "Home"],
];

const main = document.getElementById("main");
const live = document.getElementById("live");
let view = null;
let connected = null;

function show() {
  for (const [pattern, page, title] of ROUTES) {
    const match = pattern.exec(location.hash);
    if (!match) continue;
    if (view) view.leave();
    const root = h("div", { class: "page" });
    fill(main, root);
    crumbs(title === "Home" ? null : title);
    const query = new URLSearchParams(location.hash.split("?")[1] || "");
    view = page(root, match[1], (name) => crumbs(title, name), query);
    for (const link of document.querySelectorAll("#pages a")) {
      if (link.getAttribute("href") === (location.hash.split("?")[0] || "#/")) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    refresh();
    return;
  }
  if (location.hash !== "#main") location.replace("#/");
}

function crumbs(title, name) {
  document.title = name ? `${name} · omnirl` : "omnirl";
  const parts = title ? [h("a", { href: "#/" }, "Home"), h("span", { "aria-hidden": "true" }, "/"),
    h("span", { "aria-current": "page" }, name || title)] : [];
  fill(document.getElementById("crumbs"), parts);
}

// Refreshing: at most one at a time; changes heard meanwhile lead to one more.
let busy = false;
let pending = [];

async function refresh(changes = [{ kind: "all", id: null }]) {
  pending.push(...changes);
  if (busy) return;
  busy = true;
  while (pending.length) {
    const batch = pending;
    pending = [];
    const current = view;
    try {
      await current.update(batch);
      current.failure?.remove();
      current.failure = null;
    } catch (error) {
      if (current === view) fail(current, error);
    }
  }
  busy = false;
}

function fail(current, error) {
  current.failure?.remove();
  const text = error.status ? error.message : "The dashboard does not answer. It is tried again by itself.";
  current.failure = h("p", { class: "fault", role: "alert" }, text);
  main.prepend(current.failure);
}

function setConnected(state) {
  const back = state && connected !== true; // what changed before the stream opened was not heard
  connected = state;
  live.textContent = state ? "live" : "reconnecting";
  live.dataset.state = state ? "on" : "off";
  if (back) refresh();
}

function tick() {
  for (const element of document.querySelectorAll("time[data-ago]")) element.textContent = ago(Number(element.dataset.ago));
  for (const element of document.querySelectorAll("time[data-until]")) {
    element.textContent = until(Number(element.dataset.until));
  }
}

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

document.getElementById("theme").addEventListener("click", () => {
  const theme = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem("theme", theme);
  } catch {
    // the choice lasts for this page only
  }
  redrawAll();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawAll);
window.addEventListener("hashchange", () => {
  show();
  main.focus({ preventScroll: true });
  scrollTo(0, 0);
});
listen((change) => refresh([change]), setConnected);
setInterval(tick, 1000);
show();
