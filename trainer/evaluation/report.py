"""Results in, a table for the terminal and a picture of learning curves per suite out."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from common import plots

NAMES = {
    "model": "model, in context",
    "random": "random",
    "oracle": "oracle",
    "q-epsilon-greedy": "tuned epsilon-greedy Q",
    "q-count-bonus": "tuned count-bonus Q",
}
MIN_WIDTH = 200
"""Columns there are for a table: a narrower terminal wraps its lines rather than losing numbers."""
DRAWN = ("model", "q-epsilon-greedy", "q-count-bonus")
"""Curves; random is 0 and the oracle 1."""


def players(entry: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the players of a suite's results by name, the model first."""
    return {"model": entry["model"], **entry["baselines"]}


def table(name: str, entry: dict[str, Any]) -> Table:
    """Return a suite's table: score by steps in context, asymptote, success, each with its 95 % half width."""
    model, left = entry["model"], entry["left_out"]["count"]
    shown = Table(
        title=f"{name}: score by steps in context, {model['worlds']} worlds ({left} left out), 0 random, 1 oracle",
        title_justify="left",
    )
    shown.add_column("", no_wrap=True)
    for bounds in model["score_by_step"]:
        shown.add_column(f"{bounds['from']}-{bounds['to']}", justify="right", no_wrap=True)
    rest = ["last tenth", *(["success"] if model["success"] is not None else []), "by actions"]
    for heading in rest:
        shown.add_column(heading, justify="right", no_wrap=True)
    for player, result in players(entry).items():
        cells = [_cell(bounds["mean"], bounds["ci95"]) for bounds in result["score_by_step"]]
        cells.append(_cell(result["asymptote"], result["asymptote_ci95"]))
        if model["success"] is not None:
            cells.append("-" if result["success"] is None else f"{result['success']:.0%}")
        cells.append(_cell(result["action_score_by_step"][-1]["mean"], result["action_score_by_step"][-1]["ci95"]))
        shown.add_row(NAMES.get(player, player), *cells, style="bold" if player == "model" else None)
    return shown


def print_tables(results: dict[str, Any], console: Console | None = None) -> None:
    """Print a table per suite."""
    console = console or Console()
    console.width = max(console.width, MIN_WIDTH)
    for name, entry in results["suites"].items():
        console.print(table(name, entry))
    console.print(f"trained on: {', '.join(results['families']) or 'unknown'}; +- is a 95 % interval over worlds")


def write_tables(results: dict[str, Any], path: Path) -> None:
    """Write the tables as plain text."""
    with path.open("w", encoding="utf-8") as file:
        print_tables(results, Console(file=file, width=MIN_WIDTH))


def draw_curves(results: dict[str, Any], folder: Path) -> list[Path]:
    """Write ``curves-<suite>.png`` for each suite; return the paths."""
    paths = []
    for name, entry in results["suites"].items():
        figure, (axes,) = plots.figure()
        axes.axhline(0.0, color=plots.GREY, linewidth=1, linestyle=":")
        axes.axhline(1.0, color=plots.GREY, linewidth=1, linestyle=":")
        for player, colour in zip(_drawn(entry), plots.COLOURS, strict=False):
            curve = [point for point in players(entry)[player]["curve"] if point["mean"] is not None]
            middle = [(point["from"] + point["to"]) / 2 for point in curve]
            mean, half = [point["mean"] for point in curve], [point["ci95"] or 0.0 for point in curve]
            plots.band(axes, middle, mean, half, NAMES.get(player, player), colour, dashed=player != "model")
        worlds = entry["model"]["worlds"]
        axes.set(title=f"{name}: {worlds} unseen worlds, frozen weights, empty context")
        axes.set(xlabel="environment steps in context", ylabel="score (0 random, 1 oracle)", ylim=(-0.2, 1.1))
        axes.legend(loc="lower right")
        paths.append(folder / f"curves-{name}.png")
        plots.save(figure, paths[-1])
    return paths


def _drawn(entry: dict[str, Any]) -> Iterable[str]:
    return [player for player in DRAWN if player in players(entry)]


def _cell(mean: float | None, half: float | None) -> str:
    if mean is None:
        return "-"
    return _short(mean) + ("" if half is None else f" ±{_short(half)}")


def _short(value: float) -> str:
    """Return a score with two decimals and no leading zero."""
    return f"{value:.2f}".replace("0.", ".", 1) if abs(value) < 0.995 else f"{value:.2f}"
