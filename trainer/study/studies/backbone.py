"""Which block: equal parameters and equal time, then contexts sixteen times as long as those trained on."""

from pathlib import Path
from typing import get_args

from common.plots import COLOURS, GREY, figure, save
from common.synthesis.recipe import load
from trainer import config as configs
from trainer.bench.equal import equal_inner, parameters_of
from trainer.model.config import Backbone
from trainer.study import length, plain
from trainer.study.arm import Arm, Result, Say, Scale, Study

TRAINED = {"cpu": 1024, "gpu": 8192, "paper": 12_288}
"""Rows of the sequences trained on, by scale."""
LONGER = 16
SEQUENCES = {"cpu": 64, "gpu": 64, "paper": 32}
BATCH = {"cpu": ("batch=8", "validation.every=200"), "gpu": (), "paper": ()}


def arms(scale: Scale) -> list[Arm]:
    """Return an arm for each block, its feed-forward part as wide as equal parameters allow."""
    settings = (*(s for s in scale.settings if not s.startswith("steps=")), *BATCH[scale.name])
    if scale.minutes is None:
        settings = (*scale.settings, *BATCH[scale.name])
    wanted = parameters_of(configs.load(scale.recipe, settings))
    found = []
    for backbone in get_args(Backbone):
        own = (*settings, f"model.backbone={backbone}")
        own = (*own, f"model.inner={equal_inner(configs.load(scale.recipe, own), wanted)}")
        rows = (*scale.data_settings, f"length={TRAINED[scale.name]}")
        found.append(Arm(backbone, backbone, scale.recipe, scale.data, own, rows, scale.minutes))
    return found


def measure(arm: Arm, run: Path, scale: Scale, say: Say) -> Result:
    """Return what a run learned, how it plays, and its losses by position of much longer contexts."""
    recipe = load(arm.data, arm.data_settings)
    rows = length.contexts(recipe, SEQUENCES[scale.name], LONGER * recipe.length)
    say(f"{arm.name}: {rows.action.shape[0]} contexts of {rows.action.shape[1]:,} random actions")
    found = length.curves(run, rows, recipe.vocabulary, recipe.actions, recipe.length)
    found["counter"] = length.counter(rows, recipe.vocabulary, recipe.actions, recipe.length)
    return {**plain.measure(arm, run, scale, say), "trained": recipe.length, "length": found}


def table(results: dict[str, Result]) -> str:
    """Return speed, memory and what was learned, then losses by position."""
    lines = [f"{'':24s} {'parameters':>10s} {'per CPU s':>9s} {'MiB':>6s}"]
    for name, found in results.items():
        if found["speed"]:
            speed = found["speed"]
            rate, memory = speed["steps_per_cpu_second"], speed["peak_bytes"] / 2**20
            lines.append(f"{name:24s} {speed['parameters']:>10,} {rate:>9,.0f} {memory:>6,.0f}")
    return "\n".join((*lines, "", plain.table(results), "", *_lengths(results)))


def _lengths(results: dict[str, Result]) -> list[str]:
    first = next(iter(results.values()))
    trained, end = first["trained"], int(first["length"]["policy"]["curve"][-1]["to"])
    spans = [(trained // 8, trained // 4), (trained // 2, trained)]
    spans += [(n, 2 * n) for n in (trained, trained * 4, trained * 8) if 2 * n <= end]
    heads = "".join(f"{f'{a:,}-{b:,}':>14s}" for a, b in spans)
    lines = []
    for kind, what in (("observation", "next observation"), ("policy", "policy")):
        lines.append(f"{'loss, ' + what:26s}{heads}   change")
        rows = {name: found["length"][kind] for name, found in results.items()}
        if kind == "observation":
            rows["a counter"] = first["length"]["counter"]
        for name, told in rows.items():
            cells = "".join(f"{length.at(told['curve'], a, b):>14.4f}" for a, b in spans)
            change = told["change"]
            lines.append(f"{name:26s}{cells}{change['mean']:>+9.4f} ± {change['ci95']:.4f}  {length.verdict(change)}")
        lines.append("")
    lines.append(
        f"Contexts of random actions; trained at {trained:,}. Change: from {trained // 2:,}-{trained:,} to "
        f"{end // 2:,}-{end:,} in the same world, with half a 95 % interval over worlds."
    )
    return lines


def draw(results: dict[str, Result], path: Path) -> None:
    """Draw both losses by position, a curve a block, and where training ended."""
    drawn, axes = figure(2, width=5.6)
    for ax, kind, title in zip(axes, ("observation", "policy"), ("Next observation", "Policy"), strict=True):
        for (name, found), colour in zip(results.items(), COLOURS, strict=False):
            curve = found["length"][kind]["curve"]
            ax.plot([e["to"] for e in curve], [e["mean"] for e in curve], color=colour, label=name)
        if kind == "observation":
            counted = next(iter(results.values()))["length"]["counter"]["curve"]
            ax.plot([e["to"] for e in counted], [e["mean"] for e in counted], ":", color=GREY, label="a counter")
        ax.axvline(next(iter(results.values()))["trained"], color=GREY, linewidth=1)
        ax.set(
            title=f"{title}, trained to the grey line", xlabel="position in the context", ylabel="nats", xscale="log"
        )
    axes[0].legend(fontsize=8)
    save(drawn, path)


BACKBONE = Study(
    name="backbone",
    title="which block: equal parameters and minutes, then contexts 16 times as long",
    about="paper: RWKV-7 about equal to Gated DeltaNet, then GSA, then Mamba-2; a Transformer-XL stalls far above",
    arms=arms,
    measure=measure,
    table=table,
    draw=draw,
)
