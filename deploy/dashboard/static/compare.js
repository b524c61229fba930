// Evaluations of any two runs beside each other, the baselines, and the paper's Table 1.

import { get } from "./api.js";
import { compareChart } from "./curves.js";
import { fill, h } from "./dom.js";
import { empty, panel, table } from "./parts.js";

const MEASURES = [["score_by_step", "reward by step"], ["action_score_by_step", "action value by step"],
  ["score_by_episode", "return by episode"], ["entropy_by_step", "entropy of choices by step"], ["regret_by_step", "regret by step"]];

const SCALES = { entropy_by_step: "0 = certain, 1 = at random; mean and 95 % interval",
  regret_by_step: "steps' worth of the oracle's advantage lost so far; mean and 95 % interval" };

export function evaluationPage(root, _, named, query) {
  named("Evaluation");
  const controls = h("p", { class: "controls" });
  const suites = h("div", { class: "grid" });
  const paper = panel("The paper's Table 1", { note: "score in % / environment steps / episodes to it", wide: true, data: "paper" });
  fill(root, h("h1", {}, "Evaluation"), controls, suites, paper.element);
  let draws = [];
  let column = null;

  async function update(changes) {
    if (!changes.some((change) => ["all", "overview", "evaluation"].includes(change.kind))) return;
    const runs = (await get("overview")).runs.filter((run) => run.evaluations);
    const lists = await Promise.all(runs.map((run) => get(`runs/${run.id}/evaluations`)));
    const found = runs.flatMap((run, index) => lists[index].map((one) =>
      ({ key: `${run.id}:${one.path}`, name: lists[index].length > 1 ? `${run.name}: ${one.path.replace(/\/?results\.json$/, "") || "."}` : run.name, one })));
    column ??= await get("paper");
    show(found);
  }

  function show(found) {
    for (const draw of draws) draw.leave();
    draws = [];
    paper.element.hidden = !found.length;
    if (!found.length) {
      fill(controls);
      fill(suites, empty("Nothing is evaluated yet", "Results appear here when ", h("code", {}, "results.json"), " lies below a run."));
      return;
    }
    const a = found.find((one) => one.key === query.get("a")) || found[0];
    const b = found.find((one) => one.key === query.get("b")) || null;
    const measure = query.get("of") || "score_by_step";
    const go = (name) => (value) => {
      query.set(name, value);
      location.hash = `#/evaluation?${query}`;
    };
    const options = found.map((one) => [one.key, one.name]);
    fill(controls, select("Show", options, a.key, go("a")), select("against", [["", "baselines alone"], ...options], b?.key || "", go("b")),
      select("Score of", MEASURES, measure, go("of")));
    const names = [...new Set([...Object.keys(a.one.suites), ...Object.keys(b?.one.suites || {})])];
    const parts = names.map((name) => [name, panel(name, { note: SCALES[measure] || "0 = random, 1 = oracle; mean and 95 % interval",
      data: `runs/${a.key.slice(0, a.key.indexOf(":"))}/evaluations` })]);
    fill(suites, parts.map(([, part]) => part.element));
    for (const [name, part] of parts) {
      const draw = compareChart(part.body, `${name}: ${measure} of ${a.name}${b ? ` and ${b.name}` : ""}`);
      const players = [[a, "c1"], [b, "c2"]].filter(([one]) => one).map(([one, colour]) => [one.name, one.one.suites[name]?.model, colour]);
      const baselines = Object.entries((a.one.suites[name] || b.one.suites[name]).baselines);
      draw([...players, ...baselines].filter(([, scores]) => scores), measure);
      draws.push(draw);
    }
    paperTable(found.length > 6 ? [a, b].filter(Boolean) : found);
  }

  function paperTable(chosen) {
    const rows = new Map(Object.keys(column).map((task) => [task, []]));
    chosen.forEach((one, index) => {
      for (const suite of Object.values(one.one.suites)) {
        if (suite.paper && rows.has(suite.paper)) rows.get(suite.paper)[index] = cell(suite.model?.by_episode);
      }
    });
    fill(paper.body, table("The paper's Table 1 beside ours", ["task", "paper: OmniRL", ...chosen.map((one) => one.name)],
      [...rows].map(([task, cells]) => [task, column[task], ...chosen.map((_, index) => cells[index] || "–")])));
  }

  return { update, leave() { for (const draw of draws) draw.leave(); } };
}

function cell(figures) {
  if (!figures || typeof figures.best !== "number") return null;
  const short = (value) => (value < 1000 ? value.toFixed(0) : value < 1e6 ? `${(value / 1e3).toFixed(1)}K` : `${(value / 1e6).toFixed(1)}M`);
  const spread = typeof figures.ci95 === "number" ? ` (±${(100 * figures.ci95).toFixed(1)})` : "";
  return `${(100 * figures.best).toFixed(1)}${spread} / ${short(figures.steps)} / ${short(figures.episodes)}`;
}

function select(label, options, value, changed) {
  const element = h("select", { onchange: (event) => changed(event.target.value) }, options.map(([key, text]) =>
    h("option", { value: key, selected: key === value }, text)));
  return h("label", {}, `${label} `, element);
}
