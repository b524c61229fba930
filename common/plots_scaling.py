"""How a service grows with its actors, drawn."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from common.plots import COLOURS, figure, save


def draw(measured: Sequence[Mapping[str, Any]], path: str) -> None:
    """Draw time to the first shard, and driver CPU a shard, over the number of actors; write a PNG."""
    drawn, (left, right) = figure(2, width=4.8, height=3.4)
    actors = [line["actors"] for line in measured]
    for name, label, colour in (
        ("seconds_to_first_shard", "first shard", COLOURS[0]),
        ("seconds_to_all_actors", "all actors ready", COLOURS[1]),
    ):
        left.plot(actors, [line[name] for line in measured], "o-", color=colour, label=label)
    right.plot(actors, [line["driver_cpu_milliseconds_per_shard"] for line in measured], "o-", color=COLOURS[2])
    left.set_title("Seconds after the driver's start")
    left.legend()
    right.set_title("Driver CPU, milliseconds a shard")
    for axes in (left, right):
        axes.set_xscale("log", base=2)
        axes.set_xticks(actors, [str(number) for number in actors])
        axes.set_xlabel("actors")
        axes.set_ylim(0, 1.1 * axes.dataLim.y1)
    save(drawn, Path(path))
