// Pieces that several views share.

import { link } from "./api.js";
import { bar, fill, h } from "./dom.js";
import { ago, clock, count, percent, until } from "./format.js";

export function badge(state) {
  return h("span", { class: "badge", "data-state": state }, state);
}

export function when(time) {
  if (time === null || time === undefined) return "–";
  const iso = new Date(time * 1000).toISOString();
  return h("time", { "data-ago": time, datetime: iso, title: clock(time) }, ago(time));
}

export function due(time) {
  if (time === null || time === undefined) return "–";
  const iso = new Date(time * 1000).toISOString();
  return h("time", { "data-until": time, datetime: iso, title: clock(time) }, until(time));
}

export function progress(done, total, what) {
  if (!total) return null;
  const element = h("progress", { max: total, "aria-label": what });
  element.value = done;
  return element;
}

/** Key figures: [[name, value, hint], ...]. */
export function figures(pairs) {
  return h("dl", { class: "figures" }, pairs.filter(Boolean).map(([name, value, hint]) =>
    h("div", { title: hint }, h("dt", {}, name), h("dd", {}, value))));
}

/** A panel with a heading; `body` is where its content goes. */
export function panel(title, { note = null, data = null, wide = false } = {}) {
  const body = h("div", { class: "body" });
  const remark = h("p", { class: "note" }, note);
  const head = h("div", { class: "head" }, h("h2", {}, title), note ? remark : null,
    data ? h("a", { class: "data", href: link(data), title: "These figures as JSON" }, "JSON") : null);
  return { element: h("section", { class: wide ? "panel wide" : "panel" }, head, body), body, note: remark };
}

export function faults(list) {
  if (!list.length) return null;
  return h("ul", { class: "faults", role: "alert" }, list.map((fault) =>
    h("li", {}, fault.path ? h("code", {}, fault.path) : null, fault.path ? " " : null, fault.message)));
}

export function empty(title, ...text) {
  return h("div", { class: "empty" }, h("p", { class: "strong" }, title), h("p", {}, ...text));
}

/** Parts of a whole as bars. */
export function shares(target, list, unit) {
  if (!list.length) return fill(target, h("p", { class: "quiet" }, "Nothing counted yet."));
  const most = Math.max(...list.map((part) => part.share));
  return fill(target, h("ul", { class: "shares" }, list.map((part) =>
    h("li", { title: `${count(part.count)} ${unit}` }, h("span", { class: "name" }, part.name),
      h("span", { class: "value" }, percent(part.share)), bar(part.share / most)))));
}

export function events(target, list, nothing) {
  if (!list.length) return fill(target, h("p", { class: "quiet" }, nothing));
  return fill(target, h("ol", { class: "events" }, list.map((event) =>
    h("li", {}, h("span", { class: "kind", "data-kind": event.kind }, event.kind),
      h("span", { class: "text" }, event.shard === null || event.shard === undefined ? null : `shard ${event.shard}: `,
        event.message), when(event.time)))));
}

export function settings(title, value) {
  if (!Object.keys(value).length) return null;
  return h("details", {}, h("summary", {}, title), h("pre", { tabindex: "0" }, JSON.stringify(value, null, 2)));
}

/** A table whose cells are text or elements; the first of a row is its heading. */
export function table(label, columns, rows) {
  if (!rows.length) return h("p", { class: "quiet" }, "None.");
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, h("table", {},
    h("thead", {}, h("tr", {}, columns.map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", {}, rows.map(([first, ...rest]) => h("tr", {}, h("th", { scope: "row" }, first),
      rest.map((cell) => h("td", {}, cell)))))));
}
