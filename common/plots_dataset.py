"""A sheet that shows what is in a dataset: one picture from the facts of ``datagen describe``."""

from collections.abc import Callable, Mapping
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, PercentFormatter

from common.plots import COLOURS, GREY, STYLE
from common.plots_tags import TAG_COLOURS, tag_label

_BLUE, _ORANGE, _GREEN = COLOURS[0], COLOURS[1], COLOURS[2]
_MUCH = 12
"""Bars shown; the rest are summed up."""
Facts = Mapping[str, Any]


def sheet(facts: Facts) -> Figure:
    """Return the sheet of a dataset's facts, about 16 x 12 inches."""
    with matplotlib.rc_context({**STYLE, "axes.titlelocation": "left", "axes.titleweight": "bold", "font.size": 9.5}):
        drawn = Figure(figsize=(16.0, 12.0), layout="constrained")
        FigureCanvasAgg(drawn)
        drawn.get_layout_engine().set(rect=(0.005, 0.01, 0.99, 0.885), h_pad=0.12, w_pad=0.12)  # type: ignore[union-attr, call-arg]
        places = drawn.subplots(3, 4)
        panels: tuple[Callable[[Axes, Facts], None], ...] = (
            *(_tags, _behaviours, _scores, _families),
            *(_rewards, _lengths, _values, _rejections),
            *(_coverage, _ties, _accuracy, _bytes),
        )
        for axes, panel in zip(places.ravel(), panels, strict=True):
            panel(axes, facts)
        _headline(drawn, facts)
    return drawn


def _headline(drawn: Figure, facts: Facts) -> None:
    dataset, size = facts["dataset"], facts["size"]
    drawn.text(0.012, 0.985, str(dataset["name"]), fontsize=24, fontweight="bold", va="top")
    stored = "generated on the fly"
    if facts["exact"]:
        stored = f"{_short(size['stored_bytes'])}B stored, {size['bytes_per_step']:.2f} B a step"
    lines = (
        f"{size['sequences']:,} sequences of {dataset['length']:,} rows = {size['steps']:,} steps · {stored} · "
        f"{dataset['vocabulary']} symbols, {dataset['actions']} actions · label: {dataset['label']}",
        f"{dataset['url']} · {size['committed']:,} of {size['shards']:,} shards committed"
        + (f", {len(size['holes'])} set aside" if size["holes"] else "")
        + f" · identity {dataset['identity'][:12]} · sums over {'all shards' if facts['exact'] else 'the sample'}, "
        f"distributions over {facts['sampled']['sequences']:,} sequences",
    )
    drawn.text(0.012, 0.943, lines[0], fontsize=12, va="top")
    drawn.text(0.012, 0.922, lines[1], fontsize=9.5, va="top", color=GREY)


def _bars(axes: Axes, labels: list[str], shares: list[float], colours: Any, texts: list[str] | None = None) -> None:
    """Draw horizontal bars, the first on top, each with its share beside it."""
    places = np.arange(len(labels))[::-1]
    axes.barh(places, shares, color=colours, height=0.72)
    axes.set_yticks(places, labels)
    axes.grid(False)
    axes.set_xlim(0.0, 1.22 * max([*shares, 1e-12]))
    axes.xaxis.set_visible(False)
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    for place, share, text in zip(places, shares, texts or [_percent(share) for share in shares], strict=True):
        axes.annotate(text, (share, place), xytext=(4, 0), textcoords="offset points", va="center", color="#444444")
    axes.set_ylim(min(-0.7, len(labels) - 5.7), len(labels) - 0.3)


def _tags(axes: Axes, facts: Facts) -> None:
    shown = {name: fact["share"] for name, fact in facts["tags"].items() if fact["count"]}
    _bars(axes, [tag_label(n) for n in shown], list(shown.values()), [TAG_COLOURS[n] for n in shown])
    axes.set_title("Rows by tag")


def _behaviours(axes: Axes, facts: Facts) -> None:
    shown = [(kind, fact["share_of_rows"]) for kind, fact in facts["behaviours"].items()]
    if len(shown) > _MUCH:
        shown = [*shown[: _MUCH - 1], ("others", sum(share for _, share in shown[_MUCH - 1 :]))]
    _bars(axes, [kind for kind, _ in shown], [share for _, share in shown], _BLUE)
    axes.set_title("Rows by behaviour")


def _scores(axes: Axes, facts: Facts) -> None:
    shown = {kind: fact["score"] for kind, fact in facts["behaviours"].items() if fact["score"]}
    shown = dict(list(shown.items())[:_MUCH])
    places = np.arange(len(shown))[::-1]
    for place, score in zip(places, shown.values(), strict=True):
        axes.plot([score["p05"], score["p95"]], [place] * 2, color=GREY, linewidth=1.2)
        axes.plot([score["p25"], score["p75"]], [place] * 2, color=_BLUE, linewidth=6.0, solid_capstyle="butt")
        axes.plot(score["p50"], place, "o", color="white", markeredgecolor=_BLUE, markersize=6)
    for value, text in ((0.0, "random"), (1.0, "oracle")):
        axes.axvline(value, color="#444444", linewidth=0.9, linestyle=":", zorder=0)
        axes.annotate(text, (value, 1.0), xycoords=("data", "axes fraction"), ha="center", va="bottom", fontsize=8)
    axes.set_yticks(places, list(shown))
    axes.set_ylim(min(-0.7, len(shown) - 5.7), len(shown) - 0.3)
    axes.set_xlim(-1.6, 1.9)
    axes.set_title("How well they act, by sequence\n", pad=2)
    axes.set_xlabel("score of an episode: median, quartiles, 5-95 %")


def _families(axes: Axes, facts: Facts) -> None:
    names = list(facts["families"])
    shares = [facts["families"][name]["share"] for name in names]
    texts = []
    for name, share in zip(names, shares, strict=True):
        size = facts["worlds"].get(name, {}).get("n_s")
        texts.append(_percent(share) + (f", {_span(size)} states" if size else ""))
    _bars(axes, names, shares, _colours(facts), texts)
    axes.set_xlim(0.0, 1.75 * max(shares))
    axes.set_title("Sequences by family")


def _rewards(axes: Axes, facts: Facts) -> None:
    rewards = facts["rewards"]
    _histogram(axes, rewards["symlog_histogram"], _BLUE)
    ticks = [-1000, -100, -10, -1, 0, 1, 10, 100, 1000]
    low, high = axes.get_xlim()
    folded = [(float(np.sign(t) * np.log1p(abs(t))), t) for t in ticks]
    kept = [(x, t) for x, t in folded if low <= x <= high]
    axes.set_xticks([x for x, _ in kept], [f"{t:g}" for _, t in kept])
    axes.set_title("Rewards")
    axes.set_xlabel("reward (symlog)")
    _note(axes, f"mean {rewards['mean']:.3g}\n{_percent(rewards['zero_share'])} zero\nlargest {rewards['largest']:.3g}")


def _lengths(axes: Axes, facts: Facts) -> None:
    episodes = facts["episodes"]
    axes.set_title("Episode lengths")
    axes.set_xlabel("steps")
    if episodes["length"] is None:
        _nothing(axes, "no episode ended")
        return
    _histogram(axes, episodes["length"]["histogram"], _GREEN)
    length = episodes["length"]
    ended = f"{_percent(episodes['terminated_share'])} terminated"
    _note(axes, f"{_short(episodes['ended'])} ended\n{ended}\nmedian {length['p50']:.0f}, mean {length['mean']:.1f}")


def _values(axes: Axes, facts: Facts) -> None:
    axes.set_title("Oracle and random value")
    if not facts["points"]:
        _nothing(axes, "not known")
        return
    for family, colour in zip(facts["families"], _colours(facts), strict=True):
        mine = [point[1:] for point in facts["points"] if point[0] == family]
        if mine:
            axes.scatter(
                [x for x, _ in mine], [y for _, y in mine], s=9, color=colour, alpha=0.55, linewidth=0, label=family
            )
    axes.set_xscale("symlog", linthresh=1.0)
    axes.set_yscale("symlog", linthresh=1.0)
    ends = [min(axes.get_xlim()[0], axes.get_ylim()[0]), max(axes.get_xlim()[1], axes.get_ylim()[1])]
    step = 10.0 if max(map(abs, ends)) < 300.0 else 100.0  # more ticks would not fit
    powers = [step**n for n in range(8) if step**n <= max(map(abs, ends))]
    ticks = [value for value in (*(-power for power in powers), 0.0, *powers) if ends[0] <= value <= ends[1]]
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(FixedLocator(ticks))
        axis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
    axes.plot(ends, ends, color=GREY, linewidth=0.9, zorder=0)
    axes.set(xlim=ends, ylim=ends, xlabel="random play, return of an episode", ylabel="oracle")
    axes.legend(loc="lower right", fontsize=8, handletextpad=0.1, borderaxespad=0.1, markerscale=1.6)


def _rejections(axes: Axes, facts: Facts) -> None:
    rejections = facts["rejections"]
    axes.set_title(f"Worlds dropped: {_percent(rejections['rate'])}")
    if not rejections["dropped"]:
        _nothing(axes, "none dropped")
        return
    total = sum(rejections["dropped"].values())
    shown = sorted(rejections["dropped"].items(), key=lambda item: -item[1])[:_MUCH]
    shown = [(name.replace("_", " "), count) for name, count in shown]
    texts = [f"{_percent(count / total)}  ({_short(count)})" for _, count in shown]
    _bars(axes, [name for name, _ in shown], [count / total for _, count in shown], _ORANGE, texts)
    axes.set_xlim(0.0, 1.5 * shown[0][1] / total)


def _coverage(axes: Axes, facts: Facts) -> None:
    axes.set_title("States seen")
    coverage = facts["coverage"]
    if coverage is None:
        _nothing(axes, "not known")
        return
    axes.fill_between(coverage["rows"], coverage["p10"], coverage["p90"], color=_BLUE, alpha=0.18, linewidth=0)
    axes.plot(coverage["rows"], coverage["mean"], color=_BLUE, linewidth=1.8)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(0.0, 1.02)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set_xlabel("rows of the sequence: mean and 10-90 % of sequences")


def _ties(axes: Axes, facts: Facts) -> None:
    labels = facts["labels"]
    axes.set_title("Labels: optimal action ids of a row")
    if not labels["labelled_share"]:
        _nothing(axes, "no labels")
        return
    shown = list(labels["optimal_ids"].items())[:_MUCH]
    _bars(axes, [number for number, _ in shown], [share for _, share in shown], COLOURS[3])
    entropy = [f"{labels[f'{of}_entropy_bits']:.2f}" for of in ("tie", "sequence", "marginal", "uniform")]
    lines = ("entropy in bits", "of a row {}", "of a sequence {}", "of all {} (uniform {})")
    _note(axes, "\n".join(lines).format(*entropy), bottom=True)


def _accuracy(axes: Axes, facts: Facts) -> None:
    right = facts["labels"].get("right_by_tag", {})
    axes.set_title("Recorded action is optimal, by tag")
    if not right:
        _nothing(axes, "no labels")
        return
    _bars(axes, [tag_label(n) for n in right], list(right.values()), [TAG_COLOURS[n] for n in right])


def _bytes(axes: Axes, facts: Facts) -> None:
    arrays = facts["size"].get("bytes_per_step_by_array")
    axes.set_title("Stored bytes a step")
    if arrays is None:
        _nothing(axes, "nothing is stored")
        return
    _bars(axes, list(arrays), list(arrays.values()), _GREEN, [f"{size:.3f}" for size in arrays.values()])
    raw = facts["size"]["raw_bytes"] / facts["size"]["steps"]
    _note(axes, f"in all {sum(arrays.values()):.2f}\nuncompressed {raw:.2f}", bottom=True)


def _histogram(axes: Axes, histogram: Facts, colour: str) -> None:
    edges, counts = histogram["edges"], histogram["counts"]
    axes.stairs(counts, edges, fill=True, color=colour, alpha=0.75)
    axes.set_yscale("log")
    axes.set_ylim(bottom=0.7)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _colours(facts: Facts) -> list[str]:
    return [COLOURS[index % len(COLOURS)] for index in range(len(facts["families"]))]


def _note(axes: Axes, text: str, bottom: bool = False) -> None:
    axes.text(
        0.985,
        0.03 if bottom else 0.97,
        text,
        transform=axes.transAxes,
        ha="right",
        va="bottom" if bottom else "top",
        fontsize=8.5,
        color="#333333",
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 2.0},
    )


def _nothing(axes: Axes, text: str) -> None:
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=GREY)


def _span(facts: Facts) -> str:
    """Return a whole number's range in words: ``16``, or ``4-16``."""
    low, high = round(facts["p01"]), round(facts["p99"])
    return f"{low}" if low == high else f"{low}-{high}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share < 0.9995 else f"{100 * share:.0f} %"


def _short(number: float) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "K")):
        if abs(number) >= size:
            return f"{number / size:.3g}{letter}"
    return f"{number:g}"
