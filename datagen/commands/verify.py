"""``python -m datagen verify``."""

import argparse

from datagen.commands import options as shared

WHAT = "check a dataset, and print the one digest of its data"
EXAMPLES = ("python -m datagen verify data/tiny --json",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    shared.add_url(parser)
    parser.add_argument("--quick", action="store_true", help="compare stored bytes only, decode nothing")
    shared.add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Check; 1 where anything is wrong."""
    from datagen.verify import verify

    report = verify(options.url, quick=options.quick)
    shared.print_facts(report.model_dump(mode="json"), options.json)
    return 0 if report.ok else 1
