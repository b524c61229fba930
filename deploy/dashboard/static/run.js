// One training run: how far it is, its curves, and what its evaluations say.

import { get } from "./api.js";
import { lossChart, positionChart, positionHistoryChart, trainChart, validationChart } from "./curves.js";
import { fill, h } from "./dom.js";
import { EvaluationPanels } from "./evaluation.js";
import { bytes, count, duration, figure, percent, short } from "./format.js";
import { badge, due, empty, events, faults, figures, panel, progress, settings, when } from "./parts.js";

export function runPage(root, id, named) {
  const data = `runs/${id}/metrics`;
  const head = h("header", { class: "lead" });
  const panels = {
    losses: panel("Training losses", { note: "by head", data }),
    policy: panel("Policy loss on unseen worlds", { note: "with and without oracles in context", data }),
    accuracy: panel("Greedy action right", { note: "in contexts of random actions: the honest gauge", data }),
    position: panel("Policy loss by position", { note: "newest validation", data: `runs/${id}` }),
    history: panel("Loss by position over time", { note: "worlds without oracles in context", data: `runs/${id}/positions`, wide: true }),
  };
  const small = {
    speed: panel("Throughput", { note: "environment steps a second" }),
    wait: panel("Waiting for data", { note: "share of wall time" }),
    norm: panel("Gradient norm"),
    rate: panel("Learning rate"),
    cores: panel("CPU use", { note: "cores, first rank" }),
    memory: panel("Memory", { note: "most held, first rank" }),
    gpu: panel("GPU use", { note: "first rank" }),
    gpuMemory: panel("GPU memory", { note: "most held, first rank" }),
  };
  const lists = { log: panel("Events"), saved: panel("Checkpoints") };
  const evaluations = h("div", { class: "band" });
  const recipe = h("div", { class: "wide" });
  fill(root, head, evaluations, h("h2", { class: "part" }, "Training"),
    h("div", { class: "grid" }, elements(panels)), h("h2", { class: "part" }, "Speed and machine"),
    h("div", { class: "grid thirds" }, elements(small)), h("h2", { class: "part" }, "What happened"),
    h("div", { class: "grid" }, elements(lists), recipe));
  const curves = [
    lossChart(panels.losses.body),
    validationChart(panels.policy.body, "loss_policy", "Policy loss on unseen worlds over optimiser steps"),
    validationChart(panels.accuracy.body, "accuracy_random_context", "Accuracy in random contexts", percent),
    trainChart(small.speed.body, "steps_per_second", "steps/s", "c3"),
    trainChart(small.wait.body, "loader_wait", "waiting", "c2", percent),
    trainChart(small.norm.body, "gradient_norm", "gradient norm", "c4", figure),
    trainChart(small.rate.body, "learning_rate", "learning rate", "c7", (value) => figure(value, 5)),
    trainChart(small.cores.body, "cpu_cores", "cores", "c1", (value) => figure(value, 2)),
    trainChart(small.memory.body, "memory_bytes", "resident memory", "c5", bytes),
    trainChart(small.gpu.body, "gpu_use", "GPU at work", "c1", percent),
    trainChart(small.gpuMemory.body, "gpu_memory_bytes", "GPU memory", "c5", bytes),
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
      small.gpu.element.hidden = !metrics.train.gpu_use;
      small.gpuMemory.element.hidden = !metrics.train.gpu_memory_bytes;
      for (const draw of curves) draw(metrics);
      drawPosition(run);
      drawHistory(history);
      events(lists.log.body, run.events, "Nothing reported yet.");
      events(lists.saved.body, run.checkpoints.slice(0, 8), "No checkpoint yet.");
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

function elements(parts) {
  return Object.values(parts).map((part) => part.element);
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
