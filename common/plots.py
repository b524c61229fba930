"""One look for all pictures: matplotlib without a display, plain axes, a colour-blind-safe cycle (Okabe and Ito)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
GREY = "#8A8A8A"
STYLE: Any = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "font.size": 10.0,
    "axes.titlesize": 11.0,
    "legend.frameon": False,
    "savefig.dpi": 150,
}


def figure(columns: int = 1, width: float = 6.4, height: float = 4.0) -> tuple[Figure, list[Axes]]:
    """Return a figure with ``columns`` axes side by side, each ``width`` by ``height`` inches; no global state."""
    with matplotlib.rc_context(STYLE):
        drawn = Figure(figsize=(width * columns, height), layout="constrained")
        FigureCanvasAgg(drawn)
        axes = drawn.subplots(1, columns, squeeze=False)[0]
    return drawn, list(axes)


def band(
    axes: Axes,
    x: Sequence[float],
    mean: Sequence[float],
    half: Sequence[float],
    label: str,
    colour: str,
    dashed: bool = False,
) -> None:
    """Draw a curve with a band of ``half`` on either side."""
    low = [m - h for m, h in zip(mean, half, strict=True)]
    high = [m + h for m, h in zip(mean, half, strict=True)]
    axes.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0)
    axes.plot(x, mean, color=colour, label=label, linewidth=1.8, linestyle="--" if dashed else "-")


def save(drawn: Figure, path: Path) -> None:
    """Write the figure as PNG."""
    with matplotlib.rc_context(STYLE):
        drawn.savefig(path)
