"""A picture of one recorded sequence: its world, who chose its actions, what its episodes returned, where it went."""

from collections.abc import Mapping
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import ListedColormap, PowerNorm
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from common.plots import COLOURS, GREY, STYLE
from common.plots_tags import TAG_COLOURS, TAG_MAP, tag_label
from common.worlds.portrait import Portrait
from common.worlds.world import World

_BLUE, _RED, _GREEN, _PINK, _ORANGE = COLOURS[:5]
_ROLES = {"start": ("^", _ORANGE), "pitfall": ("X", _RED), "goal": ("*", _GREEN)}
_KINDS = (_BLUE, _ORANGE, _GREEN, _PINK, _RED, *COLOURS[5:], GREY)
_WIDE = 2400
"""Columns of a strip: more rows than that are shown by every n-th."""
_POINTS = 15_000
"""Rows drawn as points."""
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
        right = outer[1].subgridspec(5, 1, height_ratios=(0.3, 0.3, 1.5, 1.1, 1.1))
        _world(drawn, left, world)
        strip = drawn.add_subplot(right[0])
        lower = [drawn.add_subplot(right[place], sharex=strip) for place in (1, 2, 3, 4)]
        _behaviours(strip, row, len(arrays["action"]))
        _tags(lower[0], arrays)
        _returns(lower[1], facts, episodes)
        _states(lower[2], arrays, world, actions)
        _rewards(lower[3], arrays, actions)
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


def _behaviours(axes: Axes, row: Mapping[str, Any], length: int) -> None:
    kinds = list(dict.fromkeys(stretch["kind"] for stretch in row["behaviours"]))
    starts = [stretch["start"] for stretch in row["behaviours"]]
    acting = np.repeat([kinds.index(stretch["kind"]) for stretch in row["behaviours"]], np.diff([*starts, length]))
    colours = [_KINDS[place % len(_KINDS)] for place in range(len(kinds))]
    _strip(axes, acting, ListedColormap(colours), dict(zip(kinds, colours, strict=True)))
    axes.set_title("Behaviour")


def _tags(axes: Axes, arrays: Arrays) -> None:
    tags = arrays["tag"]
    present = {tag_label(name): c for place, (name, c) in enumerate(TAG_COLOURS.items()) if (tags == place).any()}
    _strip(axes, tags, TAG_MAP, present)
    axes.set_title("Tag")


def _strip(axes: Axes, values: np.ndarray, colours: ListedColormap, legend: Mapping[str, str]) -> None:
    """Draw a value for every row as a colour."""
    length, highest = len(values), colours.N - 0.5
    shown = values[None, :: -(-length // _WIDE)]
    extent = (0.0, float(length), 0.0, 1.0)
    axes.imshow(shown, cmap=colours, vmin=-0.5, vmax=highest, aspect="auto", extent=extent, interpolation="nearest")
    axes.grid(False)
    axes.set_yticks([])
    axes.legend(
        handles=[Patch(color=colour, label=label) for label, colour in legend.items()],
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=len(legend),
        fontsize=8.5,
        borderaxespad=0.1,
        handlelength=1.0,
        columnspacing=1.0,
        handletextpad=0.4,
    )


def _returns(axes: Axes, facts: Mapping[str, Any], episodes: Arrays) -> None:
    axes.set_title("Return of each episode")
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
    if axes.get_legend_handles_labels()[0]:  # nothing to name where no episode ended and no value is known
        axes.legend(fontsize=8, ncols=5, loc="best")


def _states(axes: Axes, arrays: Arrays, world: World | None, actions: int) -> None:
    seen = arrays.get("state", arrays["observation"])
    if world is not None:
        rank = np.zeros(world.vocabulary, dtype=np.int64)
        rank[world.symbol] = np.arange(world.n_states)
        seen = rank[seen]
    some, size, said = _some(len(seen))
    axes.set_title(("State, by rank" if world is not None else "Observation") + said)
    breaks = arrays["action"][some] == actions
    for which, marker, colour, wide in ((~breaks, "o", _BLUE, 0.0), (breaks, "x", _RED, 0.7)):
        rows = some[which]
        axes.plot(rows, seen[rows], marker, color=colour, markersize=size + wide, markeredgewidth=wide, alpha=0.6)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))


def _rewards(axes: Axes, arrays: Arrays, actions: int) -> None:
    some, size, said = _some(len(arrays["action"]))
    axes.set_title("Reward" + said)
    rows = some[arrays["action"][some] != actions]
    axes.plot(rows, arrays["reward"][rows], "o", color=_GREEN, markersize=size, markeredgewidth=0, alpha=0.6)


def _some(length: int) -> tuple[np.ndarray, float, str]:
    """Return which rows are drawn, how large, and what to say of it: more than some thousands are a blot."""
    every = -(-length // _POINTS)
    size = 2.5 if length <= 2000 else 1.4
    return np.arange(0, length, every), size, f", one row in {every}" if every > 1 else ""
