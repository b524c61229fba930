"""``python -m datagen extend``."""

import argparse

from datagen.commands import options as shared
from datagen.commands import run as run_command

WHAT = "make a dataset longer; what is stored stays as it is"
EXAMPLES = (
    "python -m datagen extend data/tiny --sequences 131072",
    "python -m datagen extend data/tiny --recipe tiny --set sequences=131072 --executor inline",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    shared.add_url(parser)
    parser.add_argument(
        "--sequences", type=shared.count, metavar="N", help="how many it shall have in all, rounded up to whole shards"
    )
    parser.add_argument(
        "--recipe", help="a recipe that the dataset must be of; its own unless given (shard size is the dataset's)"
    )
    shared.add_overrides(parser)
    run_command.add_execution(parser)


def run(options: argparse.Namespace) -> None:
    """Make it longer."""
    from common.errors import UsageError
    from common.synthesis.recipe import load
    from datagen import interrupt
    from datagen.extend import extend

    if options.overrides and options.recipe is None:
        raise UsageError(f"--set changes a recipe and needs --recipe, got --set {options.overrides[0]}")
    interrupt.listen()
    recipe = None if options.recipe is None else load(options.recipe, options.overrides)
    extend(options.url, options.sequences, recipe, **run_command.execution(options))
