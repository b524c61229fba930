"""A picture of a world: rank-ordered transition matrix under its value curve, or states and transitions as a graph.

Starts, pitfalls and goals are marked. What does not change is drawn once per world (about a second); a frame then adds
the present state in a millisecond.
"""

from typing import Any

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from common.plots import COLOURS, GREY, STYLE
from common.worlds.portrait import Portrait
from common.worlds.world import World

_BLUE, _RED, _GREEN, _PINK, _ORANGE = COLOURS[:5]
_MARKS = {"start": ("^", _ORANGE), "pitfall": ("X", _RED), "goal": ("*", _GREEN)}
_SHARE = {"start": 0.55, "pitfall": 1.0, "goal": 1.4}
"""Size of a mark, in nodes of the graph."""
_STAR = 1.5
"""Size of a goal's mark elsewhere: a star looks smaller than it is."""
_DPI = 100
_FEW = 40
"""Up to so many states each has its mark and its symbol; more would not be read."""
_FAINT = 0.02
"""Transitions of the uniform policy that are less likely are left out of the graph."""


class WorldPicture:
    """Draws one world, as often as its present state changes."""

    def __init__(self, world: World, view: str = "matrix") -> None:
        """Draw what does not change.

        Args:
            world: The world.
            view: ``matrix`` or ``graph``.
        """
        self.world = world
        self._portrait = Portrait.of(world)
        with matplotlib.rc_context(STYLE):
            if view == "graph":
                self.figure = Figure(figsize=(9.0, 6.0), dpi=_DPI, layout="constrained")
            else:
                self.figure = Figure(figsize=(6.4, 8.4), dpi=_DPI, layout="constrained")
            """The figure, to be saved or changed."""
            self._canvas = FigureCanvasAgg(self.figure)
            self._moving: list[Artist] = []
            self._places: list[Any] = []
            self.figure.get_layout_engine().set(rect=(0.0, 0.035, 1.0, 0.965))  # type: ignore[union-attr, call-arg]
            (self._draw_graph if view == "graph" else self._draw_matrix)()
            self._caption = self.figure.text(0.985, 0.008, "", ha="right", va="bottom", animated=True, color=_PINK)
            self.figure.text(0.015, 0.008, _title(world), ha="left", va="bottom", color=GREY)
            self._moving.append(self._caption)
            self._canvas.draw()
        self._background = self._canvas.copy_from_bbox(self.figure.bbox)  # type: ignore[attr-defined]

    def frame(self, state: int, steps: int) -> np.ndarray:
        """Return the picture with the present state marked, uint8 (height, width, 3), newly allocated.

        Args:
            state: The present state, a rank.
            steps: Steps taken in the episode.
        """
        with matplotlib.rc_context(STYLE):
            shown = "hidden" if self.world.emission is not None else f"shown as symbol {self.world.symbol[state]}"
            self._caption.set_text(f"step {steps}: state {state}, {shown}")
            for place in self._places:
                place(state)
            self._canvas.restore_region(self._background)  # type: ignore[attr-defined]
            for artist in self._moving:
                self.figure.draw_artist(artist)
        return np.asarray(self._canvas.buffer_rgba())[..., :3].copy()

    def _draw_matrix(self) -> None:
        portrait, n = self._portrait, self.world.n_states
        top, bottom = self.figure.subplots(2, 1, sharex=True, height_ratios=(1.0, 2.3))
        self._draw_values(top)
        bottom.grid(False)
        image = bottom.imshow(portrait.transition, cmap="Blues", norm=PowerNorm(0.5, 0.0, 1.0), aspect="auto")
        for s in np.flatnonzero(self.world.terminal).tolist():
            bottom.axhspan(s - 0.5, s + 0.5, facecolor="#E4E4E4", edgecolor="none")
        for role, states in portrait.roles.items():
            marker, colour = _MARKS[role]
            bottom.plot(states, states, marker, color=colour, markersize=_mark_size(n, role), markeredgecolor="white")
            for s in states if role != "start" else ():
                top.axvspan(s - 0.5, s + 0.5, facecolor=colour, alpha=0.12, edgecolor="none", zorder=0.5)
        bottom.set(xlabel="next state, by rank", ylabel="state, by rank", xlim=(-0.5, n - 0.5), ylim=(n - 0.5, -0.5))
        for axis in (bottom.xaxis, bottom.yaxis):
            axis.set_major_locator(MaxNLocator(integer=True))
        bar = self.figure.colorbar(image, ax=bottom, location="right", fraction=0.05, pad=0.02)
        bar.set_label("probability, uniform policy", color=GREY)
        bar.set_ticks([0.0, 0.01, 0.1, 0.3, 0.6, 1.0])
        row = Rectangle((-0.5, 0.0), n, 1.0, fill=False, edgecolor=_PINK, linewidth=1.8, animated=True)
        row.set_clip_on(False)
        bottom.add_patch(row)
        self._moving.append(row)
        self._places.append(lambda s: row.set_y(s - 0.5))

    def _draw_values(self, axes: Axes) -> None:
        portrait, world = self._portrait, self.world
        live = np.flatnonzero(~world.terminal)
        dot = "o" if world.n_states <= _FEW else ""
        axes.plot(live, portrait.value[live], f"{dot}-", color=_BLUE, markersize=3.5, label="optimal policy")
        axes.plot(live, portrait.random_value[live], f"{dot}--", color=GREY, markersize=2.5, label="uniform policy")
        for role, states in portrait.roles.items():
            marker, colour = _MARKS[role]
            size = _mark_size(world.n_states, role) + 2
            axes.plot(
                states,
                portrait.level[states],
                marker,
                color=colour,
                markersize=size,
                markeredgecolor="white",
                label=role,
            )
        axes.set_ylabel(f"value, discount {portrait.discount:g}")
        axes.margins(y=0.12)
        axes.tick_params(labelbottom=False)
        handles = axes.get_legend_handles_labels()[0]
        self.figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), handletextpad=0.4)
        (dot_now,) = axes.plot(
            [], [], "o", animated=True, markersize=12, fillstyle="none", color=_PINK, markeredgewidth=2
        )
        self._moving.append(dot_now)
        self._places.append(lambda s: dot_now.set_data([s], [portrait.level[s]]))

    def _draw_graph(self) -> None:
        portrait, n = self._portrait, self.world.n_states
        axes = self.figure.add_subplot()
        axes.set_axis_off()
        reach = 1
        for matrix, colour, width in ((portrait.transition, "#B8B8B8", 1.2), (portrait.optimal_transition, _BLUE, 3.0)):
            source, target = np.nonzero(np.triu(matrix >= _FAINT, 1) | np.tril(matrix >= _FAINT, -1))
            weight = matrix[source, target]
            reach = max(reach, int(np.abs(source - target).max(initial=1)))
            axes.add_collection(
                LineCollection(
                    [_arc(s, t) for s, t in zip(source.tolist(), target.tolist(), strict=True)],
                    colors=[(*matplotlib.colors.to_rgb(colour), 0.25 + 0.75 * w) for w in weight],
                    linewidths=0.4 + width * weight,
                )
            )
        self._draw_nodes(axes, reach)
        axes.set(xlim=(-1.0, n), ylim=(-0.5 * reach - 1.2, 0.5 * reach + 0.8))
        (now,) = axes.plot(
            [], [], "o", animated=True, markersize=_node_size(n) + 7, fillstyle="none", color=_PINK, markeredgewidth=2.2
        )
        self._moving.append(now)
        self._places.append(lambda s: now.set_data([s], [0.0]))
        legend = [
            Line2D([], [], color=_BLUE, linewidth=2.5, label="optimal policy"),
            Line2D([], [], color="#B8B8B8", linewidth=1.2, label="uniform policy"),
            *(
                Line2D([], [], color=_MARKS[role][1], marker=_MARKS[role][0], linestyle="", markersize=10, label=role)
                for role in portrait.roles
            ),
        ]
        self.figure.legend(handles=legend, loc="outside upper center", ncols=len(legend), handletextpad=0.4)

    def _draw_nodes(self, axes: Axes, reach: int) -> None:
        portrait, world, n = self._portrait, self.world, self.world.n_states
        live = np.flatnonzero(~world.terminal)
        nodes = axes.scatter(
            live, np.zeros(live.size), c=portrait.value[live], s=_node_size(n) ** 2, cmap="viridis", zorder=3
        )
        nodes.set_edgecolor("white")
        bar = self.figure.colorbar(nodes, ax=axes, location="right", fraction=0.03, pad=0.01)
        bar.set_label(f"value, discount {portrait.discount:g}", color=GREY)
        for role, states in portrait.roles.items():
            marker, colour = _MARKS[role]
            size = _node_size(n) * _SHARE[role]
            axes.plot(
                states, np.zeros(len(states)), marker, color=colour, markersize=size, markeredgecolor="white", zorder=4
            )
        if n <= _FEW:
            for s in range(n):
                axes.text(s, -0.5 * reach - 0.45, str(s), ha="center", va="top", color=GREY, fontsize=8)
        axes.text(-0.9, 0.5 * reach + 0.5, "above: moves to higher ranks, rightwards", color=GREY, fontsize=9)
        axes.text(-0.9, -0.5 * reach - 0.1, "below: moves to lower ranks, leftwards", color=GREY, fontsize=9, va="top")


def _arc(source: int, target: int) -> np.ndarray:
    """Return a half circle between two places on the line, (points, 2): above it to the right, below it to the left."""
    angle = np.linspace(np.pi, 0.0, 33)
    middle, radius = 0.5 * (source + target), 0.5 * abs(target - source)
    return np.column_stack([middle + radius * np.cos(angle), np.sign(target - source) * radius * np.sin(angle)])


def _mark_size(n: int, role: str) -> float:
    return float(np.clip(160.0 / n, 7.0, 11.0)) * (_STAR if role == "goal" else 1.0)


def _node_size(n: int) -> float:
    return float(np.clip(320.0 / n, 5.0, 18.0))


def _title(world: World) -> str:
    seed = "" if world.seed is None else f", seed {world.seed}"
    return f"{world.family}: {world.n_states} states, {world.n_actions} actions{seed}"
