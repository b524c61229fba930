"""The paper's ablation: who writes the context, who labels it, and whether it is said who acted.

Five agents that differ in nothing else, on AnyMDP of 16 states and 5 actions, played from three beginnings: an empty
context (online), demonstrations of random play (offline), demonstrations of the oracle (imitation).
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from common.dataset.schema import Tag
from common.plots import COLOURS, figure, save
from trainer.agent import Agent
from trainer.evaluation.baselines.shown import Shown, demonstrations
from trainer.evaluation.demonstrations import begin_with
from trainer.evaluation.run import evaluate, prepare
from trainer.evaluation.score import episode_scores
from trainer.evaluation.suites import suite
from trainer.study import plain
from trainer.study.arm import Arm, Result, Say, Scale, Study

PAPER = {
    "ablation-ad": (-24, 1, 66),
    "ablation-ad-eps": (-3, -1, 55),
    "ablation-dpt": (28, 32, 88),
    "ablation-dpd-no-tags": (30, 35, 92),
    "ablation-dpd": (62, 63, 102),
}
"""The paper's figure, %, read off +-3: episodes 190-200 online, after 100 episodes shown offline, imitation."""
ABOUT = {
    "ablation-ad": "Q-learning's histories, labelled by themselves",
    "ablation-ad-eps": "an oracle whose noise falls, labelled by itself",
    "ablation-dpt": "oracle, Q-learning and random contexts, labelled by the oracle",
    "ablation-dpd-no-tags": "behaviours of every quality, labelled by the oracle, tags hidden",
    "ablation-dpd": "behaviours of every quality, labelled by the oracle, tags shown",
}
UNTAGGED = ("ablation-dpd-no-tags",)
"""Agents that never saw a tag are shown none."""
BEGINNINGS: dict[str, str | None] = {"online": None, "offline": "random", "imitation": "oracle"}
"""Who demonstrates, by name of the beginning."""
SUITE = "anymdp-16"
WORLDS = 64
SHOWN = {"cpu": 10, "gpu": 100, "paper": 100}
"""Demonstration episodes, by scale."""
LATE = {"cpu": (10, 20), "gpu": (190, 200), "paper": (190, 200)}
"""Episodes that count from an empty context."""
AFTER = (0, 10)
"""Episodes that count after demonstrations."""
STEPS = {"cpu": 1024, "gpu": 12_288, "paper": 20_000}
SETTINGS: dict[str, tuple[str, ...]] = {
    "cpu": (
        "steps=600",
        "batch=8",
        "segment=1024",
        'precision="fp32"',
        "model={}",
        "loss={}",
        "optimiser={warmup_steps=50}",
        "checkpoint={}",
        'validation={every=200, recipe="ablation-dpd"}',
        "telemetry.report=false",
    ),
    "gpu": ("model={backbone='gated-delta-net', layers=10}", "batch=64", "loss={}", "optimiser={warmup_steps=200}"),
    "paper": (),
}
"""What a scale changes in the recipes, in all five alike."""
LENGTH = {"cpu": 1024, "gpu": 8192, "paper": 8192}


def arms(scale: Scale) -> list[Arm]:
    """Return the five recipes at a scale."""
    rows = (f"length={LENGTH[scale.name]}",)
    return [Arm(name, ABOUT[name], name, name, SETTINGS[scale.name], rows) for name in PAPER]


def measure(arm: Arm, run: Path, scale: Scale, say: Say) -> Result:
    """Return what a run learned, and its scores by episode from the three beginnings."""
    torch.set_num_threads(1)
    agent = Agent.load(run, device=plain.best_device())
    on = prepare(agent, suite(SUITE), WORLDS, STEPS[scale.name])
    late, beginnings = LATE[scale.name], {}
    for name, kind in BEGINNINGS.items():
        shown = None if kind is None else demonstrations(on, kind, SHOWN[scale.name])
        if shown is not None and arm.name in UNTAGGED:
            shown = without_tags(shown)
        begin = None if shown is None else begin_with(shown)
        outcome = evaluate(agent, on, say, begin=begin, beginning=name, baselines=())
        tally = outcome.tallies["model"]
        bins = [late if kind is None else AFTER]
        found = episode_scores(tally, tally.episodes(), bins)
        beginnings[name] = {
            "episodes": list(bins[0]),
            "score": found[0] if found else None,
            "score_by_episode": outcome.entry["model"]["score_by_episode"],
            "action_score_by_step": outcome.entry["model"]["action_score_by_step"],
        }
    return {**plain.learned(run), "shown": SHOWN[scale.name], "beginnings": beginnings}


def without_tags(shown: Shown) -> Shown:
    """Return demonstrations that do not say who acted; breaks keep their tags."""
    rows = [one | {"tag": np.where(one["tag"] < Tag.TERMINATED, int(Tag.UNKNOWN), one["tag"])} for one in shown.rows]
    return replace(shown, rows=rows)


def table(results: dict[str, Result]) -> str:
    """Return the figure's rows: ours beside the paper's."""
    first = next(iter(results.values()))
    lines = [f"{'score, %':24s}" + "".join(f"{f'{name}: ours':>24s}{'paper':>7s}" for name in BEGINNINGS)]
    for name, found in results.items():
        cells = "".join(
            f"{_cell(found['beginnings'][beginning]['score']):>24s}{paper:>7d}"
            for beginning, paper in zip(BEGINNINGS, PAPER[name], strict=True)
        )
        lines.append(f"{name:24s}{cells}")
    late, rows = first["beginnings"]["online"]["episodes"], first["rows"] / 1e6
    note = (
        f"100 (return - random) / (oracle - random) per episode, half a 95 % interval over worlds (their number).\n"
        f"Online: episodes {late[0]}-{late[1]} (paper 190-200); offline and imitation: episodes {AFTER[0]}-{AFTER[1]} "
        f"after {first['shown']} of random play\nand of the oracle (paper 100). {rows:.1f} M rows each (paper 1,000)."
    )
    return "\n".join((*lines, note))


def _cell(score: dict[str, Any] | None) -> str:
    if score is None or score["mean"] is None:
        return "-"
    half = "" if score["ci95"] is None else f" ± {100 * score['ci95']:.0f}"
    return f"{100 * score['mean']:.0f}{half} ({score['worlds']})"


def draw(results: dict[str, Result], path: Path) -> None:
    """Draw scores by episode from each beginning as long as half the worlds have them; the paper's figures as dots."""
    drawn, axes = figure(3, width=4.8)
    for ax, (place, beginning) in zip(axes, enumerate(BEGINNINGS), strict=True):
        for (name, found), colour in zip(results.items(), COLOURS, strict=False):
            scores = found["beginnings"][beginning]["score_by_episode"]
            most = max((e["worlds"] for e in scores if e["mean"] is not None), default=0)
            curve = [e for e in scores if e["mean"] is not None and 2 * e["worlds"] >= most]
            label = name.removeprefix("ablation-")
            ax.plot([e["to"] for e in curve], [100 * e["mean"] for e in curve], "o-", color=colour, label=label)
            ax.axhline(PAPER[name][place], color=colour, linestyle=":", linewidth=1)
        ax.set(title=beginning, xlabel="episode", ylabel="score, % (dots: paper)", xscale="log", ylim=(-40, 120))
    axes[0].legend(fontsize=8)
    save(drawn, path)


ABLATION = Study(
    name="ablation",
    title="AD, AD-eps, DPT, DPD without tags, DPD: who writes the context and who labels it",
    about="paper: DPD with tags above all others from every beginning; AD and AD-eps do not learn online",
    arms=arms,
    measure=measure,
    table=table,
    draw=draw,
)
