"""Pictures of one suite: learning curves with bands, entropy by step, a heat map of every world."""

from pathlib import Path
from typing import Any

import numpy as np

from common import plots
from trainer.evaluation.report.table import NAMES, players

UNDRAWN = ("random", "oracle")
"""Random play is 0 and the oracle 1."""
HIGHEST = 1.6
"""Curves that rise further leave the picture: where an oracle earns little per step, one world makes a mean."""
MOST_ROWS = 512
"""Worlds of a heat map; of more every so many-th is drawn."""


def draw_curves(name: str, entry: dict[str, Any], path: Path) -> Path:
    """Draw score by steps in context, model and learners, each with its 95 % band."""
    figure, (axes,) = plots.figure()
    axes.axhline(0.0, color=plots.GREY, linewidth=1, linestyle=":")
    axes.axhline(1.0, color=plots.GREY, linewidth=1, linestyle=":")
    which = "curve" if entry["model"]["worlds"] else "episode_curve"  # where every step pays the same
    drawn = [player for player in players(entry) if player not in UNDRAWN]
    highest = 1.0
    for place, player in enumerate(drawn):
        x, mean, half = _points(players(entry)[player][which])
        highest = max(highest, *mean) if mean else highest
        colour = plots.COLOURS[place % len(plots.COLOURS)]
        plots.band(axes, x, mean, half, NAMES.get(player, player), colour, dashed=player != "model")
    worlds = entry["model"]["worlds"] or entry["settings"]["worlds"]
    axes.set(title=f"{name}: {worlds} unseen worlds, frozen weights, {entry['settings']['beginning']}")
    top = min(max(1.1, 1.05 * highest), HIGHEST)
    axes.set(xlabel="environment steps in context", ylabel="score (0 random, 1 oracle)", ylim=(-0.2, top))
    axes.legend(loc="lower right", fontsize=8 if len(drawn) > 4 else None)
    plots.save(figure, path)
    return path


def draw_entropy(name: str, entry: dict[str, Any], path: Path) -> Path | None:
    """Draw how spread the agent's choices are by steps in context, from exploration to exploitation."""
    points = entry["model"]["entropy_by_step"]
    if not points:
        return None
    figure, (axes,) = plots.figure()
    plots.band(axes, *_points(points), "the agent's choices", plots.COLOURS[0])
    axes.axhline(1.0, color=plots.GREY, linewidth=1, linestyle=":")
    axes.set(title=f"{name}: from exploration to exploitation", xlabel="environment steps in context")
    axes.set(ylabel="entropy (1 uniform, 0 certain)", ylim=(0.0, 1.05))
    plots.save(figure, path)
    return path


def draw_worlds(name: str, score: np.ndarray, bins: list[tuple[int, int]], path: Path) -> Path | None:
    """Draw a heat map of scores (W, B): a line a world, the worst on top, columns by steps in context."""
    if not len(score):
        return None
    order = np.argsort(score.mean(axis=1), kind="stable")
    chosen = order[:: -(-len(order) // MOST_ROWS)]
    figure, (axes,) = plots.figure(height=4.8)
    extent = (float(bins[0][0]), float(bins[-1][1]), float(len(chosen)), 0.0)
    shown = axes.imshow(
        score[chosen], aspect="auto", cmap="viridis", vmin=0.0, vmax=1.0, extent=extent, interpolation="nearest"
    )
    axes.grid(False)
    axes.set(title=f"{name}: the model in every world", xlabel="environment steps in context")
    axes.set(ylabel="worlds, by score over all steps")
    figure.colorbar(shown, ax=axes, label="score (0 random, 1 oracle), clipped")
    plots.save(figure, path)
    return path


def _points(curve: list[dict[str, Any]]) -> tuple[list[float], list[float], list[float]]:
    """Return the middles of bins, their means and half widths."""
    points = [point for point in curve if point["mean"] is not None]
    middle = [(point["from"] + point["to"]) / 2 for point in points]
    return middle, [point["mean"] for point in points], [point["ci95"] or 0.0 for point in points]
