// What evaluations of a run say: one panel a suite, its curve against baselines and its table.

import { scoreChart } from "./curves.js";
import { fill, h } from "./dom.js";
import { clock, count, percent, score } from "./format.js";
import { empty, faults, panel } from "./parts.js";

const MEASURES = [["score_by_step", "reward"], ["action_score_by_step", "action value"]];

export class EvaluationPanels {
  constructor(target, run) {
    this.target = target;
    this.run = run;
    this.chosen = null;
    this.measure = "score_by_step";
    this.draws = [];
    this.list = [];
    this.show();
  }

  destroy() {
    for (const draw of this.draws) draw.leave();
    this.draws = [];
  }

  set(list) {
    this.list = list;
    this.show();
  }

  show() {
    this.destroy();
    const title = h("h2", { class: "part" }, "Evaluation");
    if (!this.list.length) {
      fill(this.target, title, empty("Not evaluated yet", "Results appear here when ", h("code", {}, "results.json"),
        " lies below the run: ", h("code", {}, "python -m trainer.evaluation --run … --suite small --out RUN/evaluation")));
      return;
    }
    const evaluation = this.list.find((one) => one.path === this.chosen) || this.list[0];
    const suites = Object.entries(evaluation.suites).map(([name, suite]) => [name, suite, panel(name, {
      note: worlds(suite), data: `runs/${this.run}/evaluations`,
    })]);
    fill(this.target, title, this.controls(evaluation), faults(evaluation.faults),
      h("div", { class: "grid" }, suites.map(([, , part]) => part.element)));
    for (const [name, suite, part] of suites) this.suite(part.body, name, suite);
  }

  controls(evaluation) {
    const files = this.list.length > 1 ? select("File", this.list.map((one) => [one.path, one.path]), evaluation.path,
      (value) => { this.chosen = value; this.show(); }) : h("code", {}, evaluation.path);
    const measured = MEASURES.filter(([key]) => Object.values(evaluation.suites).some((suite) => suite.model?.[key].length));
    const measure = measured.length > 1 ? select("Score of", measured, this.measure,
      (value) => { this.measure = value; this.show(); }) : null;
    const trained = evaluation.families.length ? h("span", {}, `trained on ${evaluation.families.join(", ")}`) : null;
    return h("p", { class: "controls" }, files, measure, h("span", {}, clock(evaluation.modified)), trained);
  }

  suite(target, name, suite) {
    const chart = h("div");
    fill(target, chart, table(suite));
    const draw = scoreChart(chart, `Score by step in context, suite ${name}`, 260);
    const measure = suite.model?.[this.measure].length ? this.measure : "score_by_step";
    draw(suite, measure);
    this.draws.push(draw);
  }
}

function worlds(suite) {
  const number = suite.model?.worlds;
  const over = number ? ` over ${count(number)} worlds` : "";
  const without = suite.left_out ? `, ${count(suite.left_out)} left out` : "";
  return `0 = random, 1 = oracle; mean and 95 % interval${over}${without}`;
}

function select(label, options, value, changed) {
  const element = h("select", { onchange: (event) => changed(event.target.value) }, options.map(([key, text]) =>
    h("option", { value: key, selected: key === value }, text)));
  return h("label", {}, `${label} `, element);
}

function table(suite) {
  const agents = [...(suite.model ? [["this model", suite.model]] : []), ...Object.entries(suite.baselines)];
  const columns = [
    ["best", (scores) => score(scores.best)],
    ["at step", (scores) => count(scores.steps_to_best)],
    ["asymptote", (scores) => score(scores.asymptote)],
    ["success", (scores) => percent(scores.success)],
  ].filter(([, read]) => agents.some(([, scores]) => read(scores) !== "–"));
  if (!columns.length) return null;
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Scores" }, h("table", {},
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "agent"), columns.map(([name]) =>
      h("th", { scope: "col", class: "number" }, name)))),
    h("tbody", {}, agents.map(([name, scores], index) => h("tr", { class: index === 0 && suite.model ? "own" : null },
      h("th", { scope: "row" }, name), columns.map(([, read]) => h("td", { class: "number" }, read(scores))))))));
}
