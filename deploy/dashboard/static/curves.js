// Which figures of a run or an evaluation become which chart. Each maker returns draw(figures) with draw.leave().

import { Chart } from "./chart.js";
import { bytes, figure, percent, score, short } from "./format.js";

const HEADS = [
  ["loss_policy", "policy", "c1"],
  ["loss_observation", "observation", "c2"],
  ["loss_reward", "reward", "c3"],
  ["loss_break", "break", "c4"],
];
const LARGE = { height: 280, x: { kind: "step", label: "optimiser step" } };
const SETS = { unseen: "c2", "unseen-without-oracle": "c1", seen: "c3", train: "c8" };
const AGENTS = ["c2", "c3", "c4", "c5", "c6", "c7"];
const FIXED = { oracle: "c6", random: "c8" };

export function lossChart(target) {
  const chart = new Chart(target, { label: "Training losses by head over optimiser steps", ...LARGE });
  return drawer(chart, (metrics) => chart.set(metrics.train.step, HEADS.filter(([name]) => metrics.train[name]).map(
    ([name, label, colour]) => ({ label, colour, values: metrics.train[name] }))));
}

/** One column of every validation set over optimiser steps, beside the same column of training. */
export function validationChart(target, column, label, format = figure) {
  const chart = new Chart(target, {
    label, ...LARGE, y: { format, axis: tick(format), from: format === percent ? 0 : undefined },
  });
  return drawer(chart, (metrics) => {
    const sets = Object.entries(metrics.validation).filter(([, values]) => values[column]);
    const x = [...new Set(sets.flatMap(([, values]) => values.step))].sort((a, b) => a - b);
    chart.set(x, sets.map(([name, values], index) => {
      const at = new Map(values.step.map((step, row) => [step, values[column][row]]));
      const colour = SETS[name] || AGENTS[index % AGENTS.length];
      return { label: name, colour, values: x.map((step) => at.get(step) ?? null) };
    }));
  });
}

export function trainChart(target, column, label, colour, format = short) {
  const chart = new Chart(target, { label: `${label} over optimiser steps`, height: 170, y: { format, axis: tick(format), from: 0 } });
  return drawer(chart, (metrics) => chart.set(metrics.train.step,
    metrics.train[column] ? [{ label, colour, values: metrics.train[column] }] : []));
}

export function positionChart(target) {
  const chart = new Chart(target, {
    label: "Policy loss by position in the context", height: 280,
    x: { kind: "bins", label: "step in context", unit: "steps" },
  });
  return drawer(chart, (run) => {
    const sets = Object.entries(run.by_position).filter(([, bins]) => bins.length);
    const bins = sets.length ? sets[0][1] : [];
    chart.set(bins.map(stretch), sets.map(([name, values], index) => ({
      label: name, colour: SETS[name] || AGENTS[index % AGENTS.length],
      values: bins.map((bin) => values.find((other) => other.from === bin.from)?.loss_policy ?? null),
    })));
  });
}

/** Score over steps in context: the model and every baseline, each with its 95 % band. */
export function scoreChart(target, label, height = 280) {
  const chart = new Chart(target, {
    label, height, x: { kind: "bins", label: "step in context", unit: "steps" },
    y: { from: 0, to: 1, format: score },
  });
  return drawer(chart, (suite, measure = "score_by_step") => {
    const agents = [...(suite.model ? [["this model", suite.model]] : []), ...Object.entries(suite.baselines)];
    const bins = longest(agents.map(([, scores]) => scores[measure]));
    let used = 0;
    chart.set(bins.map(stretch), agents.filter(([, scores]) => scores[measure].length).map(([name, scores]) => {
      const own = name === "this model";
      const colour = own ? "c1" : FIXED[name] || AGENTS[used++ % 3];
      const at = bins.map((bin) => scores[measure].find((other) => other.from === bin.from));
      return {
        label: name, colour, width: own ? 3 : 1.5, dash: FIXED[name] ? [4, 4] : undefined,
        values: at.map((bin) => bin?.mean ?? null),
        low: at.map((bin) => edge(bin, -1)),
        high: at.map((bin) => edge(bin, 1)),
      };
    }));
  });
}

/** The same measure of several players, [name, scores, colour where it is one of those compared]. */
export function compareChart(target, label) {
  const chart = new Chart(target, { label, height: 270, x: { kind: "bins", label: "step or episode in context", unit: "in context" }, y: { from: 0, to: 1, format: score } });
  return drawer(chart, (players, measure) => {
    const known = players.filter(([, scores]) => scores[measure]?.length);
    const bins = longest(known.map(([, scores]) => scores[measure]));
    let used = 0;
    chart.set(bins.map(stretch), known.map(([name, scores, own]) => {
      const at = bins.map((bin) => scores[measure].find((other) => other.from === bin.from));
      return { label: name, colour: own || FIXED[name] || AGENTS[1 + (used++ % 4)], width: own ? 3 : 1.5,
        dash: FIXED[name] ? [4, 4] : undefined, values: at.map((bin) => bin?.mean ?? null),
        low: at.map((bin) => edge(bin, -1)), high: at.map((bin) => edge(bin, 1)) };
    }));
  });
}

/** Steps a second of every node over time. */
export function nodesChart(target) {
  const chart = new Chart(target, { label: "Steps a second by node over time", height: 200, x: { kind: "time" }, y: { from: 0, format: short } });
  return drawer(chart, (dataset) => chart.set(dataset.by_node[0]?.time || [], dataset.by_node.slice(0, 8).map((node, index) =>
    ({ label: node.node.slice(0, 12), colour: `c${(index % 8) + 1}`, values: node.steps_per_second }))));
}

/** Policy loss of a few stretches of the context over optimiser steps. */
export function positionHistoryChart(target) {
  const chart = new Chart(target, { label: "Policy loss by position over optimiser steps", ...LARGE });
  return drawer(chart, (sets) => {
    const told = sets["unseen-without-oracle"] || sets.unseen || Object.values(sets)[0];
    const every = told ? Math.max(1, Math.ceil(told.bins.length / 6)) : 1;
    const chosen = told ? told.bins.map((_, at) => at).filter((at) => (told.bins.length - 1 - at) % every === 0) : [];
    chart.set(told?.step || [], chosen.map((at, index) => ({ label: `steps ${told.bins[at][0]}–${told.bins[at][1]}`,
      colour: `c${(index % 8) + 1}`, values: told.loss_policy[at] })));
  });
}

export function progressChart(target) {
  const chart = new Chart(target, {
    label: "Committed shards over time", height: 200, x: { kind: "time" }, y: { from: 0, format: short },
  });
  return drawer(chart, (dataset) => chart.set(dataset.progress.time, dataset.progress.time.length
    ? [{ label: "shards committed", colour: "c1", width: 2, values: dataset.progress.shards }] : []));
}

function tick(format) {
  return format === percent || format === bytes ? format : undefined;
}

function drawer(chart, draw) {
  return Object.assign(draw, { leave: () => chart.destroy() });
}

function stretch(bin) {
  return `${bin.from}–${bin.to}`;
}

function edge(bin, sign) {
  return bin && bin.mean !== null && bin.ci95 !== null ? bin.mean + sign * bin.ci95 : null;
}

function longest(lists) {
  return lists.reduce((best, list) => (list.length > best.length ? list : best), []);
}
