"""What most studies measure: losses on unseen worlds and play there from an empty context; a table and a picture."""

import json
from pathlib import Path
from typing import Any

import torch

from common.plots import COLOURS, figure, save
from trainer.agent import Agent
from trainer.evaluation.run import evaluate, prepare
from trainer.evaluation.suites import suite
from trainer.study.arm import Arm, Result, Say, Scale
from trainer.telemetry import METRICS

HONEST = "unseen-without-oracle"
FIGURES = ("loss_policy", "loss_observation", "accuracy", "accuracy_random_context")


def learned(run: Path) -> Result:
    """Return a run's losses on unseen worlds at its end and on the way, contexts without oracles."""
    told = [json.loads(line) for line in (run / METRICS).read_text(encoding="utf-8").splitlines()]
    trained = [line for line in told if line["kind"] == "train"]
    rows = {line["step"]: line["environment_steps"] for line in trained}
    seen = [line for line in told if line["kind"] == "validation" and line["set"] == HONEST]
    path = [{"rows": rows.get(line["step"], 0), **{name: line[name] for name in FIGURES}} for line in seen]
    return {"steps": trained[-1]["step"], "rows": trained[-1]["environment_steps"], "validation": path}


def best_device() -> str:
    """Return where agents are measured: on the GPU where there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def played(run: Path, scale: Scale, say: Say) -> Result:
    """Return scores of play in unseen worlds from an empty context."""
    torch.set_num_threads(1)
    agent = Agent.load(run, device=best_device())
    entry = evaluate(agent, prepare(agent, suite(scale.suite), scale.worlds, scale.play), say, baselines=()).entry
    kept = ("score_by_step", "action_score_by_step", "asymptote_by_episode", "asymptote_by_episode_ci95")
    return {"suite": scale.suite, "worlds": scale.worlds, **{name: entry["model"][name] for name in kept}}


def measure(arm: Arm, run: Path, scale: Scale, say: Say) -> Result:
    """Return what a run learned and how it plays."""
    return {**learned(run), "play": played(run, scale, say)}


def table(results: dict[str, Result]) -> str:
    """Return a line an arm."""
    lines = [
        f"{'':24s} {'M rows':>7s} {'policy':>8s} {'next':>8s} {'right':>6s} {'actions':>12s}",
    ]
    for name, found in results.items():
        last, play = found["validation"][-1], found["play"]
        last_bin = play["action_score_by_step"][-1]
        lines.append(
            f"{name:24s} {found['rows'] / 1e6:7.2f} {last['loss_policy']:8.4f} {last['loss_observation']:8.4f} "
            f"{last['accuracy_random_context']:6.3f} {figure_of(last_bin['mean'], last_bin['ci95']):>12s}"
        )
    return "\n".join(
        (
            *lines,
            "",
            "In unseen worlds, no oracle acting: loss of the policy and of the next observation, nats; right: share of",
            "greedy actions that are optimal in contexts of random actions. Played from an empty context: score of the",
            "actions in the last bin of steps, with half a 95 % interval over worlds.",
        )
    )


def draw(results: dict[str, Result], path: Path) -> None:
    """Draw the policy loss while training, and how play improves inside a context."""
    drawn, (loss, play) = figure(2, width=5.6)
    for (name, found), colour in zip(results.items(), COLOURS, strict=False):
        seen = found["validation"]
        loss.plot([p["rows"] / 1e6 for p in seen], [p["loss_policy"] for p in seen], "o-", color=colour, label=name)
        bins = found["play"]["action_score_by_step"]
        play.plot([b["to"] for b in bins], [b["mean"] for b in bins], "o-", color=colour, label=name)
    loss.set(title="Policy loss in unseen worlds, no oracle acting", xlabel="million rows trained on", ylabel="nats")
    play.set(
        title="Score of the actions played", xlabel="steps in context", ylabel="0: random, 1: oracle", xscale="log"
    )
    loss.legend(fontsize=8)
    save(drawn, path)


def figure_of(value: Any, half: Any = None) -> str:
    """Return a score for people."""
    if value is None:
        return "-"
    return f"{value:.2f}" if half is None else f"{value:.2f} ± {half:.2f}"
