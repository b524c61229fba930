// A world: its transition matrix by rank, its graph, its values; and of a recorded sequence who acted and what came of it.

import { get } from "./api.js";
import { Chart, onTheme } from "./chart.js";
import { fill, h } from "./dom.js";
import { count, figure, percent } from "./format.js";
import { empty, figures, panel, table } from "./parts.js";
import { actedPicture, graphPicture, mark, matrixPicture, ROLES } from "./pictures.js";

const FAMILIES = ["anymdp", "garnet", "gridworld", "bandit", "pomdp", "multi-token-pomdp"];
const TAGS = ["oracle 0", "oracle .5", "oracle .93", "oracle .994", "model-based", "Q-learning", "random", "unknown"];

export function worldsPage(root, _, named, query) {
  named("Worlds");
  const form = h("form", { class: "controls" });
  const note = h("div", { role: "status" });
  const show = h("div", { class: "grid" });
  fill(root, h("h1", {}, "Worlds"), form, note, show);
  let asked = null;
  let charts = [];
  let datasets = [];

  function choose() {
    const field = (label, element) => h("label", {}, `${label} `, element);
    const from = h("select", { name: "data" }, h("option", { value: "" }, "a seed"),
      datasets.map((one) => h("option", { value: one.id, selected: one.id === query.get("data") }, one.name)));
    const input = (name, value, most) => h("input", { name, type: "text", inputmode: "numeric", pattern: "[0-9]+",
      value: query.get(name) ?? value, maxlength: most, size: 8 });
    const bySeed = h("span", { class: "controls" },
      field("Family", h("select", { name: "family" }, FAMILIES.map((name) =>
        h("option", { value: name, selected: name === query.get("family") }, name)))),
      field("Seed", input("seed", "7", 20)), field("States", input("states", "16", 3)), field("Actions", input("actions", "5", 2)));
    const bySequence = h("span", { class: "controls" }, field("Sequence", input("sequence", "0", 15)));
    const swap = () => { bySeed.hidden = from.value !== ""; bySequence.hidden = from.value === ""; };
    from.addEventListener("change", swap);
    fill(form, field("From", from), bySeed, bySequence, h("button", { class: "go", type: "submit" }, "Draw"));
    swap();
    form.onsubmit = (event) => {
      event.preventDefault();
      const given = new FormData(form);
      const kept = given.get("data") ? ["data", "sequence"] : ["family", "seed", "states", "actions"];
      location.hash = `#/worlds?${new URLSearchParams(kept.map((name) => [name, given.get(name)]))}`;
    };
  }

  async function update(changes) {
    if (!changes.some((change) => change.kind === "all" || change.kind === "overview")) return;
    const all = (await get("overview")).datasets;
    if (JSON.stringify(all.map((one) => one.id)) !== JSON.stringify(datasets.map((one) => one.id)) || !asked) {
      datasets = all;
      choose();
    }
    const recorded = query.get("data");
    const path = recorded ? `datasets/${encodeURIComponent(recorded)}/sequences/${query.get("sequence") || 0}`
      : `worlds/${encodeURIComponent(query.get("family") || "anymdp")}?${new URLSearchParams([["seed", query.get("seed") || "7"],
        ["states", query.get("states") || "16"], ["actions", query.get("actions") || "5"]])}`;
    if (asked === path) return;
    asked = path;
    fill(note, h("p", { class: "quiet" }, "Drawing the world; the first one of a new installation compiles for a minute …"));
    try {
      const told = await get(path);
      fill(note);
      draw(told, path, Boolean(recorded));
    } catch (error) {
      fill(show);
      fill(note, h("p", { class: "fault", role: "alert" }, error.message));
    }
  }

  function draw(told, path, recorded) {
    for (const chart of charts) chart.destroy();
    charts = [];
    const world = recorded ? told.world : told;
    const parts = [];
    if (recorded) parts.push(...sequence(told, path));
    if (world) parts.push(...portrait(world, path));
    else parts.push(empty("The world is not drawn", told.world_fault || ""));
    fill(show, parts);
    for (const chart of charts) chart.build();
  }

  function portrait(world, path) {
    const values = panel("Values by rank", { note: `discount ${world.discount}`, data: path });
    const matrix = panel("Transitions", { note: "P(next | state) under uniform play, by rank", data: path });
    const graph = panel("Graph", { note: "above: to higher ranks; below: to lower; blue: optimal policy", data: path });
    const facts = panel(`${world.family}, seed ${world.seed}`, { wide: true });
    const ranks = world.value.map((_, rank) => rank);
    const live = (list) => list.map((value, rank) => (world.terminal.includes(rank) ? null : value));
    const chart = new Chart(values.body, { label: "Value of every state by rank", height: 240,
      x: { kind: "step", label: "state, by rank", unit: "state" } });
    chart.set(ranks, [{ label: "optimal policy", colour: "c1", values: live(world.value) },
      { label: "uniform policy", colour: "c8", dash: [4, 4], values: live(world.random_value) },
      ...ROLES.filter(([role]) => world.roles[role]).map(([role, colour]) => ({ label: role, colour, width: 0,
        values: ranks.map((rank) => (world.roles[role].includes(rank) ? world.level[rank] : null)) }))]);
    charts.push(chart, new Canvas(matrix.body, matrixPicture(world), "Transition matrix by rank, under uniform play"),
      new Canvas(graph.body, graphPicture(world), "Graph of states in rank order with their likely transitions"));
    fill(facts.body, figures([["states", count(world.states)], ["actions", count(world.actions)],
      ...ROLES.map(([role]) => [role, (world.roles[role] || []).join(", ") || "none"]),
      ["state shown", world.hidden ? "no, hidden" : "as a symbol"]]), marks(world));
    graph.element.classList.add("wide");
    return [facts, values, matrix, graph].map((part) => part.element);
  }

  function sequence(told, path) {
    const facts = panel(`Sequence ${count(told.sequence)}`, { wide: true, data: path });
    const returns = panel("Return of each episode", { data: path });
    const paid = panel("Reward so far", { data: path });
    const acted = panel("Who acted", { note: "rows by tag along the sequence", wide: true, data: path });
    fill(facts.body, figures([["family", told.family || "unknown"], ["seed", told.seed || "unknown"],
      ["shard", count(told.shard)], ["episodes", count(told.episodes.length)], ["return", figure(told.total)],
      ["oracle", figure(told.oracle_value)], ["random", figure(told.random_value)],
      ["behaviour", told.behaviours.map(([start, kind]) => `${kind} from row ${start}`).join("; ") || "unknown"],
      ["dropped", Object.entries(told.rejections).map(([name, number]) => `${name} ${number}`).join("; ") || "none"]]));
    const one = new Chart(returns.body, { label: "Return of each episode by the row it ended at", x: { label: "row", unit: "row" } });
    const level = (value) => told.episodes.map(() => value);
    one.set(told.episodes.map((part) => part.end), told.episodes.length ? [
      { label: "oracle", colour: "c6", dash: [4, 4], bare: true, values: level(told.oracle_value) },
      { label: "random", colour: "c8", dash: [4, 4], bare: true, values: level(told.random_value) },
      { label: "return", colour: "c1", width: 0, values: told.episodes.map((part) => part.total) }] : []);
    const two = new Chart(paid.body, { label: "Reward paid until each row", x: { label: "row", unit: "row" } });
    two.set(told.rewards.map(([row]) => row), [{ label: "sum of rewards", colour: "c3", values: told.rewards.map(([, sum]) => sum) }]);
    const used = TAGS.map((name, tag) => [name, tag]).filter(([, tag]) => told.acted.some((part) => part.tags[tag]));
    const three = new Canvas(acted.body, actedPicture(told, used), "Who acted along the sequence, stacked shares of rows by tag");
    acted.body.prepend(h("ul", { class: "legend" }, used.map(([label], index) => {
      const key = h("span", { class: "key block", "aria-hidden": "true" });
      key.style.color = `var(--c${(index % 8) + 1})`;
      return h("li", {}, key, label);
    })));
    acted.body.append(table("Rows by tag", ["tag", "rows", "share"], used.map(([label, tag]) => {
      const rows = told.acted.reduce((sum, part) => sum + part.tags[tag], 0);
      return [label, count(rows), percent(rows / told.acted.at(-1).to)];
    })));
    charts.push(one, two, three);
    return [facts, returns, paid, acted].map((part) => part.element);
  }

  return { update, leave() { for (const chart of charts) chart.destroy(); } };
}

/** What the marks in matrix and graph mean. */
function marks(world) {
  const shown = ROLES.filter(([role]) => (world.roles[role] || []).length);
  return h("ul", { class: "marks" }, shown.map(([role, colour]) => {
    const canvas = h("canvas", { width: 28, height: 28, "aria-hidden": "true" });
    const draw = () => {
      const pen = canvas.getContext("2d");
      pen.clearRect(0, 0, 28, 28);
      pen.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(`--${colour}`);
      mark(pen, role, 14, 14, 11);
    };
    draw();
    return h("li", {}, canvas, role);
  }), world.terminal.length ? h("li", {}, h("span", { class: "swatch" }), "ends an episode (grey row)") : null,
  h("li", { class: "quiet" }, "row: from, column: to; both by rank; darker: likelier"));
}

/** A picture on a canvas that is drawn again when its width or the theme changes. */
class Canvas {
  constructor(target, picture, label) {
    this.picture = picture;
    this.canvas = h("canvas", { role: "img", "aria-label": label });
    this.frame = fill(target, h("div", { class: "shardgrid" }, this.canvas)).firstChild;
    this.observer = new ResizeObserver(() => requestAnimationFrame(() => this.build()));
    this.observer.observe(this.frame);
    this.forget = onTheme(() => this.build());
  }

  destroy() {
    this.observer.disconnect();
    this.forget();
  }

  build() {
    const width = Math.floor(this.frame.clientWidth);
    if (!width) return;
    const height = this.picture.height(width);
    const ratio = devicePixelRatio || 1;
    Object.assign(this.canvas, { width: width * ratio, height: height * ratio });
    Object.assign(this.canvas.style, { width: `${width}px`, height: `${height}px` });
    const pen = this.canvas.getContext("2d");
    pen.scale(ratio, ratio);
    const style = getComputedStyle(document.documentElement);
    this.picture.draw(pen, width, height, (name) => style.getPropertyValue(`--${name}`).trim());
  }
}
