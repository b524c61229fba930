"""A picture of one recorded sequence: its world, who chose its actions, what its episodes returned, where it went."""

from collections.abc import Mapping
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from common.plots import COLOURS, GREY, STYLE
from common.plots_tags import TAG_COLOURS, TAG_MAP, tag_label
from common.worlds.portrait import Portrait
from common.worlds.world import World

_BLUE, _RED, _GREEN, _PINK, _ORANGE = COLOURS[:5]
_ROLES = {"start": ("^", _ORANGE), "pitfall": ("X", _RED), "goal": ("*", _GREEN)}
_WIDE = 2400
"""Columns of the strip of tags: more rows than that are shown by every n-th."""
Arrays = Mapping[str, np.ndarray]


def sequence_picture(
    facts: Mapping[str, Any],
    row: Mapping[str, Any],
    arrays: Arrays,
    episodes: Arrays,
    world: World | None,
    actions: int,
) -> Figure:
    """Return the picture.

    Args:
        facts: As ``datagen.describe_sequence`` has them.
        row: The sequence's catalog row.
        arrays: Its arrays by name, without the leading axis.
        episodes: Of every ended episode: first row, row of its break, return, whether it terminated.
        world: Its world, or None where it is not known.
        actions: Action ids A.
    """
    with matplotlib.rc_context({**STYLE, "axes.titlelocation": "left", "axes.titleweight": "bold"}):
        drawn = Figure(figsize=(14.0, 9.6), layout="constrained")
        FigureCanvasAgg(drawn)
        drawn.get_layout_engine().set(rect=(0.005, 0.01, 0.99, 0.91), h_pad=0.08)  # type: ignore[union-attr, call-arg]
        outer = drawn.add_gridspec(1, 2, width_ratios=(1.0, 2.2))
        left = outer[0].subgridspec(2, 1, height_ratios=(1.0, 1.5))
        right = outer[1].subgridspec(4, 1, height_ratios=(0.34, 1.5, 1.1, 1.1))
        _world(drawn, left, world)
        strip = drawn.add_subplot(right[0])
        lower = [drawn.add_subplot(right[place], sharex=strip) for place in (1, 2, 3)]
        _strip(strip, arrays, row)
        _returns(lower[0], facts, episodes)
        _states(lower[1], arrays, world, actions)
        _rewards(lower[2], arrays, actions)
        for axes in (strip, *lower[:-1]):
            axes.tick_params(labelbottom=False)
        lower[-1].set_xlabel("row of the sequence")
        strip.set_xlim(0, len(arrays["action"]))
        _headline(drawn, facts, row, arrays)
    return drawn


def _headline(drawn: Figure, facts: Mapping[str, Any], row: Mapping[str, Any], arrays: Arrays) -> None:
    drawn.text(0.012, 0.985, f"Sequence {facts['sequence']:,}", fontsize=20, fontweight="bold", va="top")
    sizes = f"{row['n_s']} states, {row['n_a']} actions, " if row["n_s"] else ""
    values = (
        ""
        if row["oracle_value"] is None
        else (f" · return of an episode: oracle {row['oracle_value']:.3g}, random {row['random_value']:.3g}")
    )
    line = (
        f"{row['family']}, {sizes}seed {row['seed']} · {len(arrays['action']):,} rows, {row['episodes']:,} episodes"
        f"{values} · {facts['dataset']}"
    )
    drawn.text(0.012, 0.938, line, fontsize=10.5, va="top", color="#444444")


def _world(drawn: Figure, grid: Any, world: World | None) -> None:
    top = drawn.add_subplot(grid[0])
    if world is None:
        top.set_axis_off()
        top.text(0.5, 0.5, "its world is not known", transform=top.transAxes, ha="center", color=GREY)
        return
    portrait, n = Portrait.of(world), world.n_states
    live = np.flatnonzero(~world.terminal)
    dot = "o-" if n <= 40 else "-"
    top.plot(live, portrait.value[live], dot, color=_BLUE, markersize=3.5, label="optimal policy")
    top.plot(
        live, portrait.random_value[live], dot.replace("-", "--"), color=GREY, markersize=2.5, label="uniform policy"
    )
    bottom = drawn.add_subplot(grid[1], sharex=top)
    image = bottom.imshow(portrait.optimal_transition, cmap="Blues", norm=PowerNorm(0.5, 0.0, 1.0), aspect="auto")
    for role, states in portrait.roles.items():
        marker, colour = _ROLES[role]
        size = 12 if role == "goal" else 8
        top.plot(
            states, portrait.level[states], marker, color=colour, markersize=size, markeredgecolor="white", label=role
        )
        bottom.plot(states, states, marker, color=colour, markersize=size, markeredgecolor="white")
    top.set_title(f"World: values, discount {portrait.discount:g}")
    top.tick_params(labelbottom=False)
    top.margins(y=0.15)
    top.legend(fontsize=8, loc="best")
    bottom.grid(False)
    bottom.set(xlabel="next state, by rank", ylabel="state, by rank", xlim=(-0.5, n - 0.5), ylim=(n - 0.5, -0.5))
    bottom.set_title("Moves of the optimal policy")
    for axis in (bottom.xaxis, bottom.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True))
    drawn.colorbar(image, ax=bottom, location="bottom", fraction=0.05, pad=0.02, label="probability")


def _strip(axes: Axes, arrays: Arrays, row: Mapping[str, Any]) -> None:
    tags, length = arrays["tag"], len(arrays["tag"])
    every = -(-length // _WIDE)
    axes.imshow(
        tags[None, ::every],
        cmap=TAG_MAP,
        vmin=-0.5,
        vmax=len(TAG_COLOURS) - 0.5,
        aspect="auto",
        extent=(0, length, 0, 1),
        interpolation="nearest",
    )
    axes.grid(False)
    axes.set_yticks([])
    axes.set_title("Who chose the action")
    present = [name for value, name in enumerate(TAG_COLOURS) if (tags == value).any()]
    handles = [Patch(color=TAG_COLOURS[name], label=tag_label(name)) for name in present]
    axes.legend(
        handles=handles,
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=len(handles),
        fontsize=8.5,
        borderaxespad=0.1,
        handlelength=1.0,
        columnspacing=1.0,
        handletextpad=0.4,
    )
    for stretch in row["behaviours"][:12]:
        start = stretch["start"]
        axes.plot([start, start], [-0.25, 1.0], color="black", linewidth=1.0, clip_on=False)
        axes.annotate(f" {stretch['kind']}", (start, -0.3), annotation_clip=False, fontsize=8, va="top")


def _returns(axes: Axes, facts: Mapping[str, Any], episodes: Arrays) -> None:
    axes.set_title("\nReturn of each episode")
    for ended, marker, colour, label in ((True, "o", _BLUE, "terminated"), (False, "s", _ORANGE, "truncated")):
        mine = episodes["terminated"] == ended
        if mine.any():
            axes.plot(
                episodes["end"][mine],
                episodes["return"][mine],
                marker,
                color=colour,
                markersize=3.5,
                alpha=0.7,
                markeredgewidth=0,
                label=label,
            )
    if len(episodes["end"]) >= 20:
        wide = max(5, len(episodes["end"]) // 40)
        mean = np.convolve(episodes["return"], np.ones(wide) / wide, mode="valid")
        axes.plot(episodes["end"][wide - 1 :], mean, color="black", linewidth=1.4, label=f"mean of {wide}")
    for name, colour in (("oracle_value", _GREEN), ("random_value", GREY)):
        if facts[name] is not None:
            axes.axhline(facts[name], color=colour, linewidth=1.1, linestyle="--", label=name.split("_")[0])
    axes.margins(y=0.12)
    axes.legend(fontsize=8, ncols=5, loc="best")


def _states(axes: Axes, arrays: Arrays, world: World | None, actions: int) -> None:
    seen = arrays.get("state", arrays["observation"])
    axes.set_title("State, by rank" if world is not None else "Observation")
    if world is not None:
        rank = np.zeros(world.vocabulary, dtype=np.int64)
        rank[world.symbol] = np.arange(world.n_states)
        seen = rank[seen]
    size = 2.5 if len(seen) <= 2000 else 1.2
    rows = np.arange(len(seen))
    breaks = arrays["action"] == actions
    axes.plot(rows[~breaks], seen[~breaks], "o", color=_BLUE, markersize=size, markeredgewidth=0, alpha=0.6)
    axes.plot(rows[breaks], seen[breaks], "x", color=_RED, markersize=size + 1.0, markeredgewidth=0.7, alpha=0.8)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))


def _rewards(axes: Axes, arrays: Arrays, actions: int) -> None:
    axes.set_title("Reward")
    live = arrays["action"] != actions
    size = 2.5 if len(live) <= 2000 else 1.2
    axes.plot(
        np.flatnonzero(live), arrays["reward"][live], "o", color=_GREEN, markersize=size, markeredgewidth=0, alpha=0.6
    )
