"""``python -m datagen status``."""

import argparse

from common import cli
from datagen.commands import options as shared

WHAT = "say how a dataset stands and who is at work"
EXAMPLES = ("python -m datagen status data/tiny --watch",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    shared.add_url(parser)
    parser.add_argument("--watch", action="store_true", help="again every two seconds until it is complete")
    shared.add_json(parser)


def run(options: argparse.Namespace) -> None:
    """Print how it stands."""
    from common.dataset.reader import open_stored
    from datagen.report import show, standing

    if options.json:
        cli.print_json(standing(open_stored(options.url)).model_dump(mode="json"))
    else:
        show(options.url, options.watch)
