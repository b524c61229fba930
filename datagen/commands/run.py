"""``python -m datagen run``."""

import argparse

from datagen.commands import options as shared

WHAT = "make a dataset, or what is missing of it"
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
    parser.add_argument("--executor", choices=("ray", "inline"), default="ray", help="ray (default), or this process")
    parser.add_argument("--actors", type=shared.count, help="Ray actors, one core each (default: every core there is)")
    parser.add_argument("--address", help="a Ray cluster (default: RAY_ADDRESS, or one started here)")


def run(options: argparse.Namespace) -> None:
    """Make the dataset."""
    from common.synthesis.recipe import load
    from datagen import interrupt
    from datagen.run import run

    interrupt.listen()
    recipe = load(options.recipe, options.overrides)
    run(recipe, options.out, executor=options.executor, actors=options.actors, address=options.address)
