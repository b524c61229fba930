"""``python -m trainer.evaluation.along``: what more training brought, scores by rows trained.

    python -m trainer.evaluation.along --run runs/agent --run runs/agent-on-policy --suite small --out along

Each run goes on from the weights of the one before. Exported files stand for their checkpoints (``--agent``).
"""

import argparse
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from rich.console import Console
from rich.table import Table

from common import cli
from common.errors import UsageError
from common.plots import COLOURS, GREY, band, figure, save
from trainer.acting import AgentSettings
from trainer.agent import Agent
from trainer.checkpoints import load_model, told
from trainer.checkpoints.folder import folders, step_of
from trainer.evaluation.baselines import named as named_baselines
from trainer.evaluation.report import files
from trainer.evaluation.run import evaluate, prepare
from trainer.evaluation.several import say
from trainer.evaluation.suites import named

BESIDE = ("q-epsilon-greedy", "q-count-bonus", "ucb-value-iteration", "posterior-sampling")


class Point(NamedTuple):
    """A checkpoint."""

    path: str
    checkpoint: str
    """Of a run; empty for an exported file."""
    rows: int
    """Rows trained on until there, those of the runs before included."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = _parser().parse_args(given)
    options.command = shlex.join(["python", "-m", "trainer.evaluation.along", *given])
    return cli.run(_command, options)


def _parser() -> argparse.ArgumentParser:
    made = cli.parser(
        "python -m trainer.evaluation.along",
        "Evaluate the checkpoints of one training after the other: scores by rows trained, a table and a picture.",
        [
            "python -m trainer.evaluation.along --run runs/tiny --suite small --out along",
            "python -m trainer.evaluation.along --run runs/agent --run runs/agent-on-policy --suite small "
            "--suite frozenlake --out along",
        ],
    )
    made.add_argument(
        "--run", action="append", default=[], help="a run: all checkpoints it keeps; again for what follows"
    )
    made.add_argument("--agent", action="append", default=[], help="an exported checkpoint; again, in their order")
    made.add_argument("--suite", action="append", required=True, metavar="NAME", help="where they play")
    made.add_argument("--baseline", action="append", default=[], metavar="NAME", help=f"beside: {', '.join(BESIDE)}")
    made.add_argument("--worlds", type=int, default=256, help="worlds of each suite (256)")
    made.add_argument("--steps", type=int, default=512, help="steps in each world (512)")
    made.add_argument("--tag", type=int, help="tag shown beside their own actions (as their recipes say)")
    made.add_argument("--out", required=True, help="folder for along.json, along.txt and along.png")
    return made


def points(runs: Sequence[str], agents: Sequence[str]) -> Iterator[Point]:
    """Yield checkpoints in order: of each run, then the exported ones; a step number that falls begins another run.

    Raises:
        UsageError: A run has no checkpoint, or a file does not say which one it is.
    """
    before, last = 0, 0
    for run in runs:
        facts, kept = told(run), sorted(map(step_of, folders(Path(run))))
        if not kept:
            raise UsageError(f"{run} has no checkpoint; wait until its training has saved one")
        rows = facts["recipe"]["batch"] * facts["dataset"]["length"]
        for step in kept:
            last = before + step * rows
            yield Point(run, str(step), last)
        before = last
    step_before = 0
    for file in agents:
        facts = told(file)
        if "checkpoint" not in facts:
            raise UsageError(f"{file} does not say which checkpoint it is; export it with python -m trainer.export")
        step = facts["checkpoint"]["step"]
        if step <= step_before:
            before = last
        last, step_before = before + facts["checkpoint"]["samples"] * facts["dataset"]["length"], step
        yield Point(file, "", last)


def _command(options: argparse.Namespace) -> int:
    if min(options.worlds, options.steps) < 1:
        raise UsageError("--worlds and --steps must be at least 1")
    suites, baselines = named(options.suite), named_baselines(options.baseline) or BESIDE
    found = list(points(options.run, options.agent))
    if not found:
        raise UsageError("say what to evaluate: --run RUN, or --agent FILE for exported checkpoints")
    out = Path(options.out)
    torch.set_num_threads(1)
    results: dict[str, Any] = {"command": options.command, "points": [], "baselines": {}}
    with files.alone_in(out):
        for place, point in enumerate(found):
            acting = AgentSettings.of(told(point.path))
            if options.tag is not None:
                acting = acting.model_copy(update={"own_tag": options.tag})
            agent = Agent.of(load_model(point.path, *([point.checkpoint] if point.checkpoint else [])), acting)
            line: dict[str, Any] = point._asdict()
            for suite in suites:
                on = prepare(agent, suite, options.worlds, options.steps)
                entry = evaluate(agent, on, say, baselines=baselines if place == len(found) - 1 else ()).entry
                line[suite.name] = entry["model"]
                results["baselines"] |= {suite.name: entry["baselines"]}
            results["points"].append(line)
            files.write_json(results, out / "along.json")
        names = [suite.name for suite in suites]
        with (out / "along.txt").open("w", encoding="utf-8") as file:
            Console(file=file, width=160).print(table(results, names))
        draw(results, names, out / "along.png")
    Console(width=160).print(table(results, names))
    print("\n".join(f"wrote {out / name}" for name in ("along.json", "along.txt", "along.png")))
    return 0


def table(results: dict[str, Any], names: Sequence[str]) -> Table:
    """Return a line a checkpoint and baseline: scores by steps in context of every suite."""
    shown = Table("M rows", *(f"{name}: {_bounds(results, name)}" for name in names))
    lines = [(f"{point['rows'] / 1e6:.1f}", point) for point in results["points"]]
    first = results["baselines"][names[0]]
    lines += [(player, {name: results["baselines"][name].get(player) for name in names}) for player in first]
    for label, players in lines:
        shown.add_row(label, *(_scores(players[name]) for name in names))
    return shown


def _bounds(results: dict[str, Any], name: str) -> str:
    return " / ".join(f"{one['from']}-{one['to']}" for one in results["points"][-1][name]["score_by_step"])


def _scores(player: dict[str, Any] | None) -> str:
    if player is None:
        return "-"
    told = " / ".join("-" if one["mean"] is None else f"{one['mean']:.2f}" for one in player["score_by_step"])
    return told if player.get("success") is None else f"{told}, success {100 * player['success']:.0f} %"


def draw(results: dict[str, Any], names: Sequence[str], path: Path) -> None:
    """Draw the last bin's score over rows trained, a panel a suite, baselines as lines."""
    drawn, axes = figure(len(names), width=4.6)
    rows = [point["rows"] / 1e6 for point in results["points"]]
    for ax, name in zip(axes, names, strict=True):
        bins = results["points"][-1][name]["score_by_step"]
        for place, (one, colour) in enumerate(zip(bins, COLOURS, strict=False)):
            ends = [point[name]["score_by_step"][place] for point in results["points"]]
            known = [
                (x, end["mean"], end["ci95"] or 0.0)
                for x, end in zip(rows, ends, strict=True)
                if end["mean"] is not None
            ]
            if known:
                x, mean, half = (list(column) for column in zip(*known, strict=True))
                band(ax, x, mean, half, f"steps {one['from']}-{one['to']}", colour)
        for player, scores in results["baselines"][name].items():
            last = scores["score_by_step"][-1]["mean"]
            if last is None:
                continue
            ax.axhline(last, color=GREY, linewidth=0.8, linestyle=":")
            ax.annotate(player, (rows[0], last), fontsize=7, color=GREY, va="bottom")
        ax.set(
            title=f"{name} (dots: baselines, last bin)", xlabel="million rows trained on", ylabel="0 random, 1 oracle"
        )
    axes[0].legend(fontsize=7)
    save(drawn, path)


if __name__ == "__main__":
    raise SystemExit(main())
