// One training run: how far it is, its curves, and what its evaluations say.

import { get } from "./api.js";
import { lossChart, positionChart, positionHistoryChart, trainChart, validationChart } from "./curves.js";
import { fill, h } from "./dom.js";
import { EvaluationPanels } from "./evaluation.js";
import { count, duration, figure, percent, short } from "./format.js";
import { badge, due, empty, events, faults, figures, panel, progress, settings, when } from "./parts.js";

export function runPage(root, id, named) {
  const data = `runs/${id}/metrics`;
  const head = h("header", { class: "lead" });
  const panels = {
    losses: panel("Training losses", { note: "by head", data }),
    policy: panel("Policy loss on unseen worlds", { note: "with and without oracles in context", data }),
    accuracy: panel("Greedy action right", { note: "in contexts of random actions: the honest gauge", data }),
    position: panel("Policy loss by position", { note: "newest validation", data: `runs/${id}` }),
    history: panel("Loss by position over time", { note: "worlds without oracles in context", data: `runs/${id}/positions` }),
    speed: panel("Throughput", { note: "environment steps a second" }),
    wait: panel("Waiting for data", { note: "share of wall time" }),
    norm: panel("Gradient norm"),
    rate: panel("Learning rate"),
    log: panel("Events"),
    saved: panel("Checkpoints"),
  };
  const evaluations = h("div", { class: "band" });
  const recipe = h("div", { class: "wide" });
  fill(root, head, evaluations, h("h2", { class: "part" }, "Training"),
    h("div", { class: "grid" }, Object.values(panels).map((part) => part.element), recipe));
  const curves = [
    lossChart(panels.losses.body),
    validationChart(panels.policy.body, "loss_policy", "Policy loss on unseen worlds over optimiser steps"),
    validationChart(panels.accuracy.body, "accuracy_random_context", "Accuracy in random contexts", percent),
    trainChart(panels.speed.body, "steps_per_second", "steps/s", "c3"),
    trainChart(panels.wait.body, "loader_wait", "waiting", "c2", percent),
    trainChart(panels.norm.body, "gradient_norm", "gradient norm", "c4", figure),
    trainChart(panels.rate.body, "learning_rate", "learning rate", "c7", (value) => figure(value, 5)),
  ];
  const drawPosition = positionChart(panels.position.body);
  const drawHistory = positionHistoryChart(panels.history.body);
  const results = new EvaluationPanels(evaluations, id);
  let recipeShown = null;

  async function update(changes) {
    const heard = (kind) => changes.some((change) => change.kind === "all" || (change.kind === kind && change.id === id));
    if (heard("run")) {
      const [run, metrics, history] = await Promise.all([get(`runs/${id}`), get(data), get(`runs/${id}/positions`)]);
      named(run.name);
      fill(head, lead(run));
      for (const draw of curves) draw(metrics);
      drawPosition(run);
      drawHistory(history);
      events(panels.log.body, run.events, "Nothing reported yet.");
      events(panels.saved.body, run.checkpoints.slice(0, 8), "No checkpoint yet.");
      showRecipe(run);
    }
    if (heard("evaluation")) results.set(await get(`runs/${id}/evaluations`));
  }

  function showRecipe(run) {
    const text = JSON.stringify([run.model, run.settings, run.versions]);
    if (text === recipeShown) return;
    recipeShown = text;
    fill(recipe, settings("Model", run.model), settings("Resolved recipe", run.settings), settings("Versions", run.versions));
  }

  return { update, leave() { for (const draw of [...curves, drawPosition, drawHistory]) draw.leave(); results.destroy(); } };
}

function lead(run) {
  const running = run.state === "running";
  const spent = run.started && run.updated ? duration(run.updated - run.started) : "–";
  return [
    h("div", { class: "title" }, h("h1", {}, run.name), badge(run.state)),
    h("p", { class: "where" }, h("code", {}, run.location)),
    faults(run.faults),
    run.state === "waiting" ? empty("Nothing logged yet", "The first figures appear with the first row of metrics.jsonl.") : null,
    run.total_steps ? h("p", { class: "amount" }, h("b", {}, percent(run.step / run.total_steps)),
      ` ${count(run.step)} of ${count(run.total_steps)} optimiser steps`) : null,
    progress(run.step, run.total_steps, "optimiser steps done"),
    figures([
      ["recipe", run.recipe || "–"],
      ["loss", figure(run.loss)],
      ["policy loss", figure(run.loss_policy)],
      ["accuracy", percent(run.accuracy_random_context), "of the greedy action in contexts of random actions"],
      ["environment steps", short(run.environment_steps)],
      ["steps/s", short(run.steps_per_second)],
      ["learning rate", figure(run.latest.learning_rate, 5)],
      run.restarts ? ["restarts", count(run.restarts)] : null,
      run.best ? ["best checkpoint", run.best] : null,
      run.durable ? ["newest checkpoint", run.durable] : null,
      ["first to last row", spent],
      running ? ["done", due(run.eta)] : ["last row", when(run.updated)],
    ]),
  ];
}
