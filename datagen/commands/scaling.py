"""``python -m datagen scaling``."""

import argparse
import contextlib
import sys
from collections.abc import Iterator
from typing import Any

from common import cli
from common.errors import UsageError
from datagen.commands import options as shared

PARTS = ("bookkeeping", "ray", "throughput")
WHAT = "measure what the service itself costs: bookkeeping, Ray, starting up"
EXAMPLES = (
    "python -m datagen scaling",
    "python -m datagen scaling --only bookkeeping --only throughput",
    "python -m datagen scaling --actors 4,16,64 --plot docs/images/scaling.png --json",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--actors", type=shared.counts, default=[4, 16, 64], help="numbers of actors on real Ray, with commas"
    )
    parser.add_argument("--only", choices=PARTS, action="append", help="measure this part alone; may be given again")
    parser.add_argument("--rounds", type=shared.count, default=3, help="rounds of actors against inline processes")
    parser.add_argument("--plot", metavar="FILE", help="draw how it grows with the actors, as PNG")
    shared.add_json(parser)


def run(options: argparse.Namespace) -> None:
    """Measure, print, draw."""
    from datagen.bench import machine
    from datagen.cluster.startup import startup
    from datagen.scaling import bookkeeping, throughput

    parts = options.only or PARTS
    if options.plot and "ray" not in parts:
        raise UsageError("--plot draws what --only ray measures; add it, or leave --plot out")
    results: dict[str, Any] = {"machine": machine()}
    if "bookkeeping" in parts:
        results["bookkeeping"] = bookkeeping()
    if "ray" in parts:
        with contextlib.redirect_stdout(sys.stderr):  # Ray prints its warnings there, between the facts
            results["ray"] = [startup(actors) for actors in options.actors]
    if "throughput" in parts:
        results["throughput"] = throughput(options.rounds)
    if options.plot:
        from common.plots_scaling import draw

        draw(results["ray"], options.plot)
    if options.json:
        cli.print_json(results)
        return
    for line in _lines(results):
        print(line)


def _lines(results: dict[str, Any]) -> Iterator[str]:
    if book := results.get("bookkeeping"):
        yield (
            f"bookkeeping: {book['shards_per_second']:,.0f} shards/s with {book['workers']:,} workers that are no "
            f"processes; {book['shards']:,} shards, {book['peak_bytes'] / 1e6:,.0f} MB"
        )
    for line in results.get("ray", ()):
        yield (
            f"Ray, {line['actors']} actors that make nothing: first shard after "
            f"{line['seconds_to_first_shard']:.1f} s, all ready after {line['seconds_to_all_actors']:.1f} s, then "
            f"{line['shards_per_second']:,.0f} shards/s, {line['driver_cpu_milliseconds_per_shard']:.2f} ms of driver "
            "a shard"
        )
    if rates := results.get("throughput"):
        yield (
            f"throughput into Zarr, 16 states: two inline processes {rates['inline_steps_per_second']:,.0f} rows/s, "
            f"two actors {rates['actors_steps_per_second']:,.0f}; round by round "
            f"{', '.join(f'{100 * ratio:.0f} %' for ratio in rates['ratios'])}, median {100 * rates['ratio']:.0f} %"
        )
