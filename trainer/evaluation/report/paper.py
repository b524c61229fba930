"""Results in, a table in the layout of the paper's Table 1 out: its figures beside ours, a column for each agent.

    python -m trainer.evaluation.report.paper runs/plain/evaluation runs/grids/evaluation

A cell is: best average score in percent / steps / episodes until 99 % of it (paper, "Evaluation").
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from common import cli
from common.errors import DataError, UsageError
from trainer.evaluation.report.table import NAMES

PAPER: dict[str, tuple[str, str, str]] = {
    "AnyMDP n_s=1 (bandit)": ("92.1 / 100 / 100", "95.6 / 1.2K / 1.2K", "82.5 / 103 / 103"),
    "AnyMDP 16": ("92.0 / 297K / 4.7K", "90.6 / 476K / 9.7K", "95.3 / 2.0K / 29"),
    "AnyMDP 32": ("84.7 / 616K / 5.6K", "72.2 / 618K / 9.7K", "90.3 / 6.5K / 47"),
    "AnyMDP 64": ("83.7 / 1.1M / 5.1K", "58.3 / 1.1M / 9.4K", "91.3 / 7.7K / 25"),
    "AnyMDP 128": ("73.2 / 1.8M / 6.9K", "49.0 / 1.3M / 8.6K", "80.2 / 36.3K / 100"),
    "Garnet(16,5,2)": ("98.8 / 241K / 2.1K", "97.1 / 57K / 0.5K", "85.9 / 8.2K / 71"),
    "Garnet(64,5,2)": ("98.7 / 614K / 1.7K", "98.1 / 96K / 0.26K", "80.4 / 8.0K / 19"),
    "CliffWalking": ("100 / 3.1K / 35", "95.9 / 99.3K / 2.7K", "100 / 3.0K / 65"),
    "FrozenLake, not slippery": ("95.3 / 23.6K / 3.7K", "96.8 / 18.2K / 2.1K", "99.8 / 0.3K / 35"),
    "FrozenLake, slippery": ("96 / 208K / 10K", "95.6 / 73.6K / 4.7K", "79.5 / 7.7K / 245"),
    "Pendulum g=1": ("94.9 / 22K / 110", "99.3 / 198K / 990", "90.5 / 8K / 40"),
    "Pendulum g=5": ("99.7 / 426K / 2.1K", "99.8 / 132K / 660", "91.8 / 34K / 170"),
    "Pendulum g=9.8": ("90.2 / 2.0M / 10K", "98.3 / 186K / 930", "73.4 / 33K / 165"),
    "Switch2, two agents": ("98 / 3.8K / 110", "-", "80.4 / 2.8K / 100"),
    "Darkroom 6x6": ("98.1 / 6.2K / 481", "97.6 / 10.6K / 560", "95.2 / 845 / 40"),
    "Darkroom 8x8": ("96.8 / 24.5K / 2.0K", "96.7 / 15.9K / 930", "93.8 / 1.5K / 40"),
    "Darkroom 10x10": ("89 / 31.1K / 1.7K", "92.3 / 15.7K / 570", "91.7 / 2.8K / 100"),
}
"""The paper's Table 1: tabular Q (UCB), PPO, OmniRL."""
HEADINGS = ("paper: tabular Q (UCB)", "paper: PPO", "paper: OmniRL")
GRIDS = "gridworld"
LEGEND = (
    "cells: best average score in % / environment steps / episodes until 99 % of it; 0 random play, 100 the oracle. "
    "The best is looked for within the episodes that nine in ten worlds finished within the steps played (the paper: "
    "within 10,000 episodes); in brackets the 95 % half width over worlds. Our oracle of classic control sees "
    "positions, not bins."
)


def rows(results: Sequence[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Return headings and lines of the table: the paper's columns, every agent's, the baselines' of the first."""
    baselines = [n for n in _baselines(results[0]) if n not in ("random", "oracle")]
    headings = ["task", *HEADINGS, *(_agent(told) for told in results), *(NAMES.get(n, n) for n in baselines)]
    lines = []
    for suite, paper in _suites(results):
        entries = [told["suites"].get(suite) for told in results]
        cells = [_cell(entry["model"] if entry else None) for entry in entries]
        found = next(entry for entry in entries if entry)
        cells += [_cell(found["baselines"].get(name)) for name in baselines]
        lines.append([f"{paper or suite}", *PAPER.get(paper, ("-", "-", "-")), *cells])
    return headings, lines


def table(results: Sequence[dict[str, Any]]) -> Table:
    """Return the table for a terminal."""
    headings, lines = rows(results)
    shown = Table(title="The paper's Table 1 beside ours", title_justify="left", caption_justify="left")
    for place, heading in enumerate(headings):
        shown.add_column(heading, justify="left" if place == 0 else "right")
    for line in lines:
        shown.add_row(*line)
    return shown


def print_table(results: Sequence[dict[str, Any]], console: Console | None = None) -> None:
    """Print the table, its legend and the commands that made it."""
    console = console or Console(width=200)
    shown = table(results)
    console.width = max(console.width, console.measure(shown, options=console.options.update(width=10_000)).maximum)
    console.print(shown)
    console.print(LEGEND)
    for told in results:
        console.print(f"{_agent(told)}: trained on {', '.join(told['families']) or 'unknown'}; $ {told.get('command')}")


def read(path: Path) -> dict[str, Any]:
    """Return results.json of an evaluation's folder, or of the file itself.

    Raises:
        UsageError: There is none.
        DataError: It is damaged.
    """
    file = path / "results.json" if path.is_dir() else path
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        told["suites"].keys()
    except OSError:
        raise UsageError(f"{path} is no evaluation's folder: there is no {file}; evaluate first") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{file} is damaged: {error!r}; evaluate again") from error
    return dict(told)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = cli.parser(
        "python -m trainer.evaluation.report.paper",
        "Print the paper's Table 1 beside evaluations, a column for each.",
        ["python -m trainer.evaluation.report.paper runs/plain/evaluation runs/grids/evaluation"],
    )
    parser.add_argument(
        "evaluations", nargs="+", type=Path, help="folders given as --out to python -m trainer.evaluation"
    )
    return cli.run(
        lambda options: print_table([read(path) for path in options.evaluations]), parser.parse_args(arguments)
    )


def short(number: float) -> str:
    """Return a number as the paper writes it: 845, 2.0K, 1.1M."""
    if number < 1000:
        return f"{number:.0f}"
    return f"{number / 1000:.1f}K" if number < 1e6 else f"{number / 1e6:.1f}M"


def _suites(results: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return the suites of any results with their rows in the paper's table, in its order, others after them."""
    found = {name: entry.get("paper") or "" for told in results for name, entry in told["suites"].items()}
    order = list(PAPER)
    return sorted(found.items(), key=lambda item: order.index(item[1]) if item[1] in order else len(order))


def _baselines(told: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys(name for entry in told["suites"].values() for name in entry["baselines"]))


def _agent(told: dict[str, Any]) -> str:
    name = Path(told["agent"]["path"]).name
    how = "with" if GRIDS in told["families"] else "without"
    return f"ours: {name}, {how} gridworlds" if told["families"] else f"ours: {name}, families unknown"


def _cell(player: dict[str, Any] | None) -> str:
    figures = None if player is None else player["by_episode"]
    if figures is None:
        return "-"
    spread = "" if figures["ci95"] is None else f" (±{100 * figures['ci95']:.1f})"
    return f"{100 * figures['best']:.1f}{spread} / {short(figures['steps'])} / {short(figures['episodes'])}"


if __name__ == "__main__":
    sys.exit(main())
