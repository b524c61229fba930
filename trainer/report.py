"""A run's report: its metrics in, one page of Markdown and its pictures out: `python -m trainer.report RUN`."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common import cli
from common.errors import DataError, UsageError
from common.plots import COLOURS, figure, save
from trainer.loss import HEADS
from trainer.telemetry import METRICS

EXAMPLES = ("python -m trainer.report runs/tiny",)
FOLDER = "report"
SETS = ("unseen", "unseen-without-oracle", "seen")
POINTS = 400
"""Training lines are averaged down to about as many."""
Line = dict[str, Any]


def write_report(run: Path) -> Path:
    """Write RUN/report/ and return its page's path.

    Raises:
        UsageError: There is no run.
        DataError: Its files are damaged.
    """
    if not (run / "run.json").is_file() or not (run / METRICS).is_file():
        raise UsageError(f"{run} is no run that has trained (no run.json or no {METRICS}); give a run's directory")
    try:
        facts = json.loads((run / "run.json").read_text())
        lines = [json.loads(line) for line in (run / METRICS).read_text().splitlines()]
    except ValueError as error:
        raise DataError(f"a file of {run} is damaged: {error}") from error
    train = [line for line in lines if line["kind"] == "train"]
    sets = {name: [line for line in lines if line.get("set") == name] for name in SETS}
    if not train:
        raise UsageError(f"{run} has no line of training yet; wait until it has")
    folder = run / FOLDER
    folder.mkdir(exist_ok=True)
    pictures = {
        "losses.png": _losses(train, sets),
        "positions.png": _positions(train, sets),
        "machine.png": _machine(train),
    }
    for name, drawn in pictures.items():
        save(drawn, folder / name)
    (folder / "report.md").write_text(_page(facts, train, sets, lines, list(pictures)))
    return folder / "report.md"


def _losses(train: list[Line], sets: dict[str, list[Line]]) -> Any:
    """Draw every head's training loss, the policy loss of the three sets, and the honest gauge."""
    drawn, (heads, policy, gauge) = figure(3, width=5.2)
    thin = _thinned(train)
    for head, colour in zip(_heads(train), COLOURS, strict=False):
        heads.plot(_column(thin, "step"), _column(thin, f"loss_{head}"), color=colour, label=head, linewidth=1.4)
    heads.set(title="Training loss of each head", xlabel="optimiser step", ylabel="mean over targets")
    _logarithmic(heads, "y")
    policy.plot(_column(thin, "step"), _column(thin, "loss_policy"), color="#BBBBBB", label="training", linewidth=1.2)
    for (name, lines), colour in zip(sets.items(), COLOURS, strict=False):
        policy.plot(_column(lines, "step"), _column(lines, "loss_policy"), "o-", color=colour, label=name, markersize=3)
    policy.set(title="Policy loss: unseen against seen", xlabel="optimiser step", ylabel="nats")
    for name, colour in zip(SETS, COLOURS, strict=False):
        gauge.plot(
            _column(sets[name], "step"), _column(sets[name], "accuracy"), "o-", color=colour, label=name, markersize=3
        )
    honest = sets["unseen-without-oracle"]
    random = _column(honest, "accuracy_random_context")
    gauge.plot(_column(honest, "step"), random, "s-", color=COLOURS[4], label="random contexts", markersize=4)
    gauge.set(title="Accuracy of the greedy action", xlabel="optimiser step", ylim=(0, 1))
    for axes in (heads, policy, gauge):
        axes.legend(fontsize=8)
    return drawn


def _positions(train: list[Line], sets: dict[str, list[Line]]) -> Any:
    """Draw losses against the position in the context, at the end of training."""
    drawn, (policy, world) = figure(2, width=6.0)
    last = {"training": train[-1], **{name: lines[-1] for name, lines in sets.items() if lines}}
    for (name, line), colour in zip(last.items(), ("#999999", *COLOURS), strict=False):
        bins = line.get("by_position") or []
        # rows are counted from 1, for the axis is logarithmic
        edges = [part["from"] + 1 for part in bins] + [bins[-1]["to"] + 1] if bins else []
        for axes, head in ((policy, "policy"), (world, "observation")) if bins else ():
            values = _column(bins, f"loss_{head}")
            axes.stairs(values, edges, baseline=None, color=colour, label=name, linewidth=1.6)
    for axes, title in ((policy, "Policy loss by context position"), (world, "Next-observation loss by position")):
        axes.set(title=title, xlabel="row of the context", ylabel="nats")
        _logarithmic(axes, "x")
        axes.legend(fontsize=8)
    return drawn


def _machine(train: list[Line]) -> Any:
    """Draw throughput, waiting for data, gradient norm and learning rate."""
    drawn, (speed, norm) = figure(2, width=6.0)
    thin = _thinned(train)
    steps = _column(thin, "step")
    speed.plot(steps, _column(thin, "steps_per_second"), color=COLOURS[0], label="environment steps a second")
    speed.set(title="Throughput", xlabel="optimiser step", ylim=(0, None))
    waits = speed.twinx()
    waits.plot(steps, [100 * x for x in _column(thin, "loader_wait")], color=COLOURS[1], label="waiting for data, %")
    waits.set_ylim(0, max(5.0, *(100 * x for x in _column(thin, "loader_wait"))))
    waits.grid(False)
    norm.plot(steps, _column(thin, "gradient_norm"), color=COLOURS[2], label="gradient norm")
    norm.set(title="Gradient norm and learning rate", xlabel="optimiser step")
    _logarithmic(norm, "y")
    rate = norm.twinx()
    rate.plot(steps, _column(thin, "learning_rate"), color=COLOURS[3], label="learning rate")
    rate.grid(False)
    for left, right in ((speed, waits), (norm, rate)):
        (one,), (other,) = left.get_lines(), right.get_lines()
        left.legend(handles=[one, other], fontsize=8, loc="lower right")
    return drawn


def _heads(train: list[Line]) -> list[str]:
    """Return the heads that the model has."""
    return [head for head in HEADS if head != "every_discount" or train[-1][f"loss_{head}"] > 0]


def _page(facts: Line, train: list[Line], sets: dict[str, list[Line]], lines: list[Line], pictures: list[str]) -> str:
    recipe, data = facts["recipe"], facts["datasets"]
    heads = ", ".join(f"{head} {train[-1]['loss_' + head]:.4f}" for head in _heads(train))
    rates = sorted(_column(train, "steps_per_second"))
    names = ", ".join(
        f"{one['recipe'].get('name', one['url'])} ({one['sequences']:,} x {one['length']:,})" for one in data
    )
    rows = [
        f"# {recipe['name']}: {train[-1]['step']:,} of {facts['steps']:,} optimiser steps",
        "",
        f"- data: {names}",
        f"- environment steps: {train[-1]['environment_steps']:,}",
        f"- throughput: {rates[len(rates) // 2]:,.0f} environment steps a second (median)",
        f"- waiting for data: {100 * sum(_column(train, 'loader_wait')) / len(train):.2f} % of the time (mean)",
        f"- training loss: {train[-1]['loss']:.4f} ({heads})",
        "",
        "| set | policy | accuracy | in random contexts |",
        "|---|---|---|---|",
    ]
    for name, measured in sets.items():
        if measured:
            last = measured[-1]
            honest = f"{last['accuracy_random_context']:.3f}" if "accuracy_random_context" in last else ""
            rows.append(f"| {name} | {last['loss_policy']:.4f} | {last['accuracy']:.3f} | {honest} |")
    rows += ["", _verdict(sets), "", *(f"![{name}]({name})\n" for name in pictures), "## Events", ""]
    rows += [f"- step {line['step']}: {line['message']}" for line in lines if line["kind"] == "event"][-50:]
    return "\n".join(rows) + "\n"


def _verdict(sets: dict[str, list[Line]]) -> str:
    """Say what the three sets show together."""
    unseen, honest, seen = (sets[name] for name in SETS)
    if not (unseen and honest and seen):
        return "There was no validation."
    gap = unseen[-1]["loss_policy"] - seen[-1]["loss_policy"]
    best = min(honest, key=lambda line: line["loss_policy"])
    return (
        f"Unseen worlds cost {gap:+.4f} nats against seen ones (worlds memorised show as a gap that grows). The lowest "
        f"policy loss without oracles in the context was {best['loss_policy']:.4f} at step {best['step']}, the last "
        f"one {honest[-1]['loss_policy']:.4f}. A policy loss that falls only with oracles in the context is imitation."
    )


def _logarithmic(axes: Any, which: str) -> None:
    """Make an axis logarithmic, its numbers plain."""
    axes.set(**{f"{which}scale": "log"})
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter("")


def _thinned(lines: list[Line]) -> list[Line]:
    """Return means over neighbouring lines, about ``POINTS`` of them; what is missing counts as absent."""
    size = max(1, len(lines) // POINTS)
    keys = [key for key, value in lines[0].items() if isinstance(value, int | float)]
    groups = [lines[first : first + size] for first in range(0, len(lines), size)]
    return [{key: _mean([line.get(key) for line in group]) for key in keys} for group in groups]


def _mean(values: list[Any]) -> float:
    there = [value for value in values if value is not None]
    return sum(there) / len(there) if there else float("nan")


def _column(lines: list[Line], name: str) -> list[float]:
    return [float("nan") if line.get(name) is None else float(line[name]) for line in lines]


def report(arguments: argparse.Namespace) -> int:
    """Write a run's report. Raises as of ``write_report``."""
    print(write_report(arguments.run))
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = cli.parser("python -m trainer.report", "Write a run's report: one page and its pictures.", EXAMPLES)
    parser.add_argument("run", type=Path, help="the run's directory")
    return cli.run(report, parser.parse_args(arguments))


if __name__ == "__main__":
    raise SystemExit(main())
