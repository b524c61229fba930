"""Results from demonstrations in, a table in the layout of the paper's Table 2 out: its figures beside ours."""

from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from trainer.evaluation.tally import Tally

BINS = ((0, 20), (180, 200))
"""Episodes, by number, that the paper's Table 2 is about."""
PAPER: dict[str, tuple[str, dict[str, tuple[str, str, str]]]] = {
    "frozenlake-slippery": (
        "FrozenLake slippery (success)",
        {"oracle": ("77.8 %", "76.6 / 76.1 %", "70.1 / 77.3 %"), "random": ("1.5 %", "37.8 / 72.4 %", "54.3 / 67.4 %")},
    ),
    "cliffwalking": (
        "CliffWalking",
        {"oracle": ("-13", "-30.8 / -13", "-13 / -13"), "random": ("-110", "-560 / -16.2", "-91 / -17")},
    ),
    "pendulum-g5": (
        "Pendulum g=5",
        {"oracle": ("-154", "-606 / -258", "-180 / -127"), "random": ("-942", "-1062 / -184", "-646 / -208")},
    ),
    "darkroom-10": (
        "Darkroom 10x10",
        {"oracle": ("0.22", "0.23 / 0.22", "0.22 / 0.21"), "random": ("-15.1", "-4.05 / 0.21", "0.09 / 0.19")},
    ),
}
"""The paper's Table 2 by suite: demonstrator, CQL, OmniRL."""
HEADINGS = (
    "task",
    "demonstrator",
    "its episodes",
    "paper: its return",
    "paper: CQL",
    "paper: OmniRL",
    "ours",
    "our CQL",
)
LEGEND = (
    "mean return per episode (success where the task has one) in rewards that count; - : not reached in the steps "
    "played, give more --steps. CQL learns on while it plays; the empty context is 'none'."
)


def figures(tally: Tally) -> dict[str, Any]:
    """Return mean return and success per episode of each of ``BINS``; None where fewer than half the worlds got there.

    A bin counts the finished episodes of that number, of all worlds; the mean is over worlds.
    """
    episodes, found = tally.episodes(), {}
    number = _numbers(episodes.world)
    for first, last in BINS:
        inside = (number >= first) & (number < last)
        worlds = [inside & (episodes.world == w) for w in range(len(tally.references))]
        full = [one for one in worlds if one.sum() == last - first]
        entry: dict[str, Any] = {"worlds": len(full), "return": None, "success": None}
        if 2 * len(full) >= len(worlds):
            entry["return"] = sum(float(episodes.total[one].mean()) for one in full) / len(full)
            if tally.has_success:
                entry["success"] = sum(float(episodes.success[one].mean()) for one in full) / len(full)
        found[f"{first}-{last}"] = entry
    return found


def rows(results: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return headings and lines of the table; a line for each suite, demonstrator and number of episodes shown."""
    lines = []
    for suite, beginnings in results["suites"].items():
        title, known = PAPER.get(suite, (suite, {}))
        for line in beginnings:
            paper = known.get(line["demonstrator"], ("-", "-", "-"))
            cells = [_cell(line[player]) for player in ("model", "conservative-q")]
            lines.append([title, line["demonstrator"], str(line["episodes"]), *paper, *cells])
    return list(HEADINGS), lines


def table(results: dict[str, Any]) -> Table:
    """Return the table for a terminal."""
    shown = Table(title="The paper's Table 2 beside ours: episodes 0-20 / 180-200", title_justify="left")
    headings, lines = rows(results)
    for place, heading in enumerate(headings):
        shown.add_column(heading, justify="left" if place < 2 else "right")
    for line in lines:
        shown.add_row(*line)
    return shown


def print_table(results: dict[str, Any], console: Console | None = None) -> None:
    """Print the table, its legend and the command that made it."""
    console = console or Console(width=200)
    console.print(table(results))
    console.print(LEGEND)
    console.print(f"trained on {', '.join(results['families']) or 'unknown'}; $ {results['command']}")


def _numbers(world: np.ndarray) -> np.ndarray:
    """Return the number of each episode in its world; episodes are by world and then in order."""
    starts = np.r_[0, np.flatnonzero(np.diff(world)) + 1] if len(world) else np.zeros(0, dtype=np.int64)
    sizes = np.diff(np.r_[starts, len(world)])
    return np.arange(len(world)) - np.repeat(starts, sizes)


def _cell(player: dict[str, Any] | None) -> str:
    if player is None:
        return "-"
    return " / ".join(_figure(entry) for entry in player["episodes"].values())


def _figure(entry: dict[str, Any]) -> str:
    if entry["return"] is None:
        return "-"
    return f"{entry['return']:.2f}" if entry["success"] is None else f"{100 * entry['success']:.1f} %"
