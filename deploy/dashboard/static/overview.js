// Everything found at a glance: a card a dataset, a card a run, and the newest run's curves.

import { get } from "./api.js";
import { lossChart, scoreChart } from "./curves.js";
import { fill, h } from "./dom.js";
import { count, figure, percent, setServerTime, short } from "./format.js";
import { badge, due, empty, faults, figures, panel, progress, when } from "./parts.js";

export function overviewPage(root) {
  const broken = h("div");
  const data = h("div", { class: "cards" });
  const runs = h("div", { class: "cards" });
  const losses = panel("Training losses", { note: "newest run" });
  const scores = panel("In-context learning", { note: "score by step in context" });
  const charts = h("div", { class: "grid", hidden: true }, losses.element, scores.element);
  const found = h("div", { class: "grid" }, section("Data", data), section("Training", runs));
  fill(root, h("h1", { class: "unseen" }, "Overview"), broken, found, charts);
  const drawLosses = lossChart(losses.body);
  const drawScores = scoreChart(scores.body, "Score by step in context against baselines, newest evaluation");

  async function update() {
    const all = await get("overview");
    setServerTime(all.time);
    fill(broken, faults(all.faults));
    fill(data, all.datasets.length ? all.datasets.map(datasetCard) : noData(all.data_roots));
    fill(runs, all.runs.length ? all.runs.map(runCard) : noRuns(all.run_roots));
    const newest = all.runs.find((run) => run.step > 0) || all.runs[0];
    charts.hidden = !newest;
    if (newest) await drawNewest(newest, all.runs.find((run) => run.evaluations > 0));
  }

  async function drawNewest(run, evaluated) {
    drawLosses(await get(`runs/${run.id}/metrics`));
    fill(losses.note, "by head, ", h("a", { href: `#/run/${run.id}` }, run.name));
    const list = evaluated ? await get(`runs/${evaluated.id}/evaluations`) : [];
    const suites = list.flatMap((result) => Object.entries(result.suites)).filter(([, suite]) => suite.model);
    const [name, suite] = suites[0] || [null, { model: null, baselines: {} }];
    const own = evaluated ? h("a", { href: `#/run/${evaluated.id}` }, evaluated.name) : null;
    if (name) fill(scores.note, `suite ${name}, `, own, "; 0 = random, 1 = oracle");
    else fill(scores.note, own ? ["the results of ", own, " cannot be read"] : "no evaluation yet");
    drawScores(suite);
  }

  return { update, leave() { drawLosses.leave(); drawScores.leave(); } };
}

function section(title, body) {
  return h("section", { class: "band" }, h("h2", {}, title), body);
}

function datasetCard(dataset) {
  const total = dataset.shards;
  const running = dataset.state === "running";
  return h("article", { class: "card" },
    h("div", { class: "title" }, h("h3", {}, h("a", { href: `#/data/${dataset.id}` }, dataset.name)), badge(dataset.state)),
    total ? h("p", { class: "amount" }, h("b", {}, percent(dataset.committed / total)),
      ` ${count(dataset.committed)} of ${count(total)} shards`) : null,
    progress(dataset.committed, total, `${dataset.name}: shards committed`),
    figures([
      ["recipe", dataset.recipe || "–"],
      ["steps", short(dataset.steps)],
      running ? ["steps/s", short(dataset.steps_per_second)] : null,
      running ? ["done", due(dataset.eta)] : ["last sign of life", when(dataset.updated)],
    ]),
    ...lastWords(dataset),
    faults(dataset.faults));
}

/** The newest event, and the last error where that is another one. */
function lastWords({ last_event: event, last_error: error }) {
  const line = (name, one) => h("p", { class: one === error || name === "last error" ? "last bad" : "last", title: one.message },
    h("span", { class: "kind" }, name), " ", one.message, " ", when(one.time));
  if (!event) return [];
  const same = error && error.time === event.time && error.message === event.message;
  return [same ? null : line("last event", event), error ? line("last error", error) : null];
}

function runCard(run) {
  const total = run.total_steps;
  const running = run.state === "running";
  return h("article", { class: "card" },
    h("div", { class: "title" }, h("h3", {}, h("a", { href: `#/run/${run.id}` }, run.name)), badge(run.state)),
    total ? h("p", { class: "amount" }, h("b", {}, percent(run.step / total)),
      ` ${count(run.step)} of ${count(total)} optimiser steps`) : null,
    progress(run.step, total, `${run.name}: optimiser steps done`),
    figures([
      ["recipe", run.recipe || "–"],
      ["policy loss", figure(run.loss_policy)],
      ["accuracy", percent(run.accuracy_random_context), "of the greedy action in contexts of random actions"],
      running ? ["steps/s", short(run.steps_per_second)] : null,
      running ? ["done", due(run.eta)] : ["last row", when(run.updated)],
    ]),
    ...lastWords(run),
    faults(run.faults));
}

function noData(roots) {
  if (!roots.length) return empty("No data folder is watched", "Start the dashboard with ", h("code", {}, "--data URL"), ".");
  return empty("No dataset yet", "It will appear here as soon as one is begun below ", roots.map(place), ": ",
    h("code", {}, "python -m datagen run --recipe tiny --out …"));
}

function noRuns(roots) {
  if (!roots.length) return empty("No runs folder is watched", "Start the dashboard with ", h("code", {}, "--runs DIR"), ".");
  return empty("No run yet", "It will appear here as soon as training begins below ", roots.map(place), ": ",
    h("code", {}, "torchrun trainer/main.py --recipe tiny --data … --run …"));
}

function place(path, index) {
  return [index ? ", " : "", h("code", {}, path)];
}
