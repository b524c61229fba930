"""``python -m datagen run``."""

import argparse
from typing import Any

from datagen.commands import options as shared

WHAT = "make a dataset, or what is missing or damaged of it"
EXAMPLES = (
    "python -m datagen run --recipe tiny --out data/tiny",
    "python -m datagen run --recipe tiny --out data/tiny --executor inline",
    "python -m datagen run --recipe tiny --out /mnt/data/more --set sequences=100000 --set seed=1 --actors 8",
    "ray job submit --working-dir . -- python -m datagen run --recipe tiny --out /mnt/data/tiny",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    shared.add_recipe(parser)
    parser.add_argument("--out", required=True, metavar="URL", help="the dataset: a new folder, or one to go on with")
    add_execution(parser)


def add_execution(parser: argparse.ArgumentParser) -> None:
    """Declare who makes the shards: the same for every command that makes some."""
    parser.add_argument("--executor", choices=("ray", "inline"), default="ray", help="ray (default), or this process")
    parser.add_argument(
        "--actors",
        type=shared.count,
        help="the most Ray actors, one core each (default: every core of the cluster, and those that join)",
    )
    parser.add_argument("--address", help="a Ray cluster (default: RAY_ADDRESS, or one started here)")
    parser.add_argument(
        "--max-in-flight", type=shared.count, metavar="N", help="shards given out at once (default: two an actor)"
    )
    parser.add_argument(
        "--lease",
        type=_seconds,
        metavar="SECONDS",
        help="how long an actor may be at one shard before another gets it (default: ten times the longest so far)",
    )
    parser.add_argument(
        "--takeover", action="store_true", help="take the dataset from a command that holds it and still lives"
    )
    parser.add_argument(
        "--trust",
        action="store_true",
        help="go on from what is committed by its size; else its bytes are compared first, and what is damaged is made "
        "again",
    )
    parser.add_argument(
        "--wait", type=_seconds, default=0.0, metavar="SECONDS", help="wait so long for that command to end or die"
    )


def execution(options: argparse.Namespace) -> dict[str, Any]:
    """Return what ``add_execution`` declared, as ``datagen.run.Execution`` takes it."""
    from datagen.drive import Limits

    return {
        "executor": options.executor,
        "actors": options.actors,
        "address": options.address,
        "limits": Limits(in_flight=options.max_in_flight, lease=options.lease),
        "takeover": options.takeover,
        "wait": options.wait,
        "trust": options.trust,
    }


def run(options: argparse.Namespace) -> None:
    """Make the dataset."""
    from common.synthesis.recipe import load
    from datagen import interrupt
    from datagen.run import run

    interrupt.listen()
    run(load(options.recipe, options.overrides), options.out, **execution(options))


def _seconds(text: str) -> float:
    value = float(text)
    if not 0.0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"takes seconds, 0 or more, got {text}")
    return value
