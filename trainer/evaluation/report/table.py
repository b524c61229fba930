"""Results in, tables for the terminal out: a suite's scores by steps in context, a line for each player."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

NAMES = {
    "model": "model, in context",
    "random": "random",
    "oracle": "oracle",
    "q-epsilon-greedy": "tuned epsilon-greedy Q",
    "q-count-bonus": "tuned count-bonus Q",
    "q-ucb": "tuned UCB Q",
    "ucb-value-iteration": "tuned UCB value iteration",
    "posterior-sampling": "tuned posterior sampling",
    "conservative-q": "tuned conservative Q, offline first",
    "ppo": "PPO",
    "dqn": "DQN",
}
MIN_WIDTH = 200
"""Columns there are for a table: a narrower terminal wraps its lines rather than losing numbers."""


def players(entry: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the players of a suite's results by name, the model first."""
    return {"model": entry["model"], **entry["baselines"]}


def cells(entry: dict[str, Any], more: bool = False) -> tuple[list[str], list[list[str]]]:
    """Return headings and lines of a suite's table, the model first: scores with their 95 % half widths.

    With ``more`` the worst fifth of worlds and the regret, in steps' worth of the oracle's advantage, too.
    """
    model = entry["model"]
    headings = ["", *(f"{bounds['from']}-{bounds['to']}" for bounds in model["score_by_step"])]
    headings += ["last tenth", "its episodes", *(["success"] if model["success"] is not None else [])]
    headings += ["by actions"] if model["action_score_by_step"] else []
    headings += ["worst fifth", "regret (steps)"] if more else []
    lines = []
    for player, result in players(entry).items():
        line = [_cell(bounds["mean"], bounds["ci95"]) for bounds in result["score_by_step"]]
        line.append(_cell(result["asymptote"], result["asymptote_ci95"]))
        line.append(_cell(result["asymptote_by_episode"], result["asymptote_by_episode_ci95"]))
        if model["success"] is not None:
            line.append("-" if result["success"] is None else f"{result['success']:.0%}")
        if model["action_score_by_step"]:
            last = result["action_score_by_step"][-1]
            line.append(_cell(last["mean"], last["ci95"]))
        if more:
            line += [_cell(result["bottom_quintile"], None), _cell(result["regret"], result["regret_ci95"])]
        lines.append([NAMES.get(player, player), *line])
    return headings, lines


def table(name: str, entry: dict[str, Any]) -> Table:
    """Return a suite's table for a terminal."""
    model, left = entry["model"], entry["left_out"]["count"]
    shown = Table(
        title=f"{name}: score by steps in context, {model['worlds']} worlds ({left} left out), 0 random, 1 oracle",
        title_justify="left",
    )
    headings, lines = cells(entry)
    for place, heading in enumerate(headings):
        shown.add_column(heading, justify="right" if place else "left", no_wrap=True)
    for place, line in enumerate(lines):
        shown.add_row(*line, style=None if place else "bold")
    return shown


def print_tables(results: dict[str, Any], console: Console | None = None) -> None:
    """Print a table per suite."""
    console = console or Console()
    console.width = max(console.width, MIN_WIDTH)
    for name, entry in results["suites"].items():
        console.print(table(name, entry))
    for name, reason in results.get("skipped", {}).items():
        console.print(f"{name}: skipped: {reason}")
    console.print(f"trained on: {', '.join(results['families']) or 'unknown'}; +- is a 95 % interval over worlds")


def write_tables(results: dict[str, Any], path: Path) -> None:
    """Write the tables as plain text."""
    with path.open("w", encoding="utf-8") as file:
        print_tables(results, Console(file=file, width=MIN_WIDTH))


def _cell(mean: float | None, half: float | None) -> str:
    if mean is None:
        return "-"
    return _short(mean) + ("" if half is None else f" ±{_short(half)}")


def _short(value: float) -> str:
    """Return a score with two decimals and no leading zero; a large one with as many digits as matter."""
    if abs(value) >= 99.5:
        return f"{value:.3g}"
    return f"{value:.2f}".replace("0.", ".", 1) if abs(value) < 0.995 else f"{value:.2f}"
