// One dataset: how far it is, who writes it, what is in it.

import { get } from "./api.js";
import { queueFigures } from "./cluster.js";
import { nodesChart, progressChart } from "./curves.js";
import { fill, h } from "./dom.js";
import { bytes, count, duration, percent, short } from "./format.js";
import { badge, due, events, faults, figures, panel, progress, settings, shares, table, when } from "./parts.js";
import { ShardGrid } from "./shards.js";

export function datasetPage(root, id, named) {
  const head = h("header", { class: "lead" });
  const over = panel("Shards over time", { data: `datasets/${id}` });
  const map = panel("Shards");
  const tags = panel("Who acted", { note: "share of rows by tag" });
  const behaviours = panel("Behaviours", { note: "stretches by kind" });
  const families = panel("World families", { note: "sequences" });
  const rejections = panel("Worlds dropped", { note: "candidates by check" });
  const nodes = panel("Rate by node", { note: "steps a second" });
  const losses = panel("Actors lost and started anew", { note: "by cause", wide: true });
  const sizes = panel("By number of states", { note: "rounded up to a power of two" });
  const holes = panel("Shards set aside", { wide: true });
  const writers = panel("Writers", { wide: true });
  const log = panel("Events", { wide: true });
  const recipe = h("div", { class: "wide" });
  const elements = (...parts) => parts.map((part) => part.element);
  map.element.classList.add("wide");
  fill(root, head, h("div", { class: "grid" }, elements(map, over, nodes, holes)),
    h("h2", { class: "part" }, "What is in it"), h("div", { class: "grid thirds" }, elements(tags, behaviours, families, rejections, sizes)),
    h("h2", { class: "part" }, "Who makes it"), h("div", { class: "grid" }, elements(writers, losses, log), recipe));
  const draw = progressChart(over.body);
  const drawNodes = nodesChart(nodes.body);
  const grid = new ShardGrid(map.body);
  let recipeShown = null;

  async function update(changes) {
    if (!changes.some((change) => change.kind === "all" || change.id === id)) return;
    const dataset = await get(`datasets/${id}`);
    named(dataset.name);
    fill(head, lead(dataset));
    draw(dataset);
    drawNodes(dataset);
    shares(losses.body, dataset.losses, "times");
    losses.element.hidden = !dataset.losses.length;
    nodes.element.hidden = !dataset.by_node.length;
    sizes.element.hidden = !dataset.sizes.length;
    fill(sizes.body, table("By number of states", ["states", "sequences", "steps", "steps/s a core"], dataset.sizes.map((size) =>
      [count(size.states), count(size.sequences), short(size.steps), short(size.steps_per_second)])));
    holes.element.hidden = !dataset.holes.length;
    fill(holes.body, table("Shards set aside", ["shard", "attempts", "when", "cause"], dataset.holes.map((hole) =>
      [count(hole.shard), count(hole.attempts), when(hole.time), h("pre", { tabindex: "0" }, hole.cause)])));
    grid.set(dataset);
    shares(tags.body, dataset.tags, "rows");
    shares(behaviours.body, dataset.behaviours, "stretches");
    shares(families.body, dataset.families, "sequences");
    shares(rejections.body, dataset.rejections, "candidates");
    fill(writers.body, writerTable(dataset.writers));
    events(log.body, dataset.events, "Nothing reported yet.");
    const text = JSON.stringify([dataset.settings, dataset.provenance]);
    if (text === recipeShown) return;
    recipeShown = text;
    fill(recipe, settings("Resolved recipe", dataset.settings), settings("Provenance", dataset.provenance));
  }

  return { update, leave() { draw.leave(); drawNodes.leave(); grid.destroy(); } };
}

function lead(dataset) {
  const running = dataset.state === "running";
  return [
    h("div", { class: "title" }, h("h1", {}, dataset.name), badge(dataset.state)),
    h("p", { class: "where" }, h("code", {}, dataset.location)),
    faults(dataset.faults),
    dataset.shards ? h("p", { class: "amount" }, h("b", {}, percent(dataset.committed / dataset.shards)),
      ` ${count(dataset.committed)} of ${count(dataset.shards)} shards`) : null,
    progress(dataset.committed, dataset.shards, "shards committed"),
    figures([
      ["recipe", dataset.recipe || "–"],
      ["sequences", count(dataset.sequences)],
      ["steps", short(dataset.steps)],
      ["episodes", short(dataset.episodes)],
      ["stored", bytes(dataset.stored_bytes)],
      dataset.stored_bytes ? ["bytes a step", (dataset.stored_bytes / dataset.steps).toFixed(2)] : null,
      dataset.projected_bytes && dataset.committed < dataset.shards ? ["stored at the end", bytes(dataset.projected_bytes)] : null,
      ["sequence length", count(dataset.length)],
      running ? ["steps/s", short(dataset.steps_per_second), "over the newest commits"] : null,
      running ? ["done", due(dataset.eta)] : ["last sign of life", when(dataset.updated)],
      ["begun", when(dataset.started)],
      ["identity", dataset.identity ? h("code", {}, dataset.identity.slice(0, 12)) : "–", dataset.identity],
    ]),
    queueFigures(dataset),
    dataset.committed ? h("p", {}, h("a", { href: `#/worlds?data=${dataset.id}&sequence=${
      dataset.committed_ranges[0][0] * (dataset.sequences_per_shard || 0)}` }, "Look at its worlds and sequences")) : null,
  ];
}

function writerTable(list) {
  if (!list.length) return h("p", { class: "quiet" }, "No writer has reported yet.");
  const row = (writer) => h("tr", {},
    h("th", { scope: "row", title: writer.name }, `${writer.kind} ${writer.pid ?? ""}`),
    h("td", {}, writer.host || "–"), h("td", {}, badge(writer.state === "stalled" ? "lost" : writer.state)),
    h("td", { class: "number" }, count(writer.shards)),
    h("td", { class: "number" }, writer.steps_per_second ? `${short(writer.steps_per_second)}` : "–"),
    h("td", { class: "number" }, duration(writer.seconds)), h("td", { class: "number" }, when(writer.last)));
  const names = ["writer", "host", "state", "shards", "steps/s", "busy", "last heard of"];
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Writers" }, h("table", {},
    h("thead", {}, h("tr", {}, names.map((name, index) => h("th", { scope: "col", class: index > 2 ? "number" : null }, name)))),
    h("tbody", {}, list.map(row))));
}
