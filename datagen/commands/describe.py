"""``python -m datagen describe``."""

import argparse
from typing import Any

from common import cli
from datagen.commands import options as shared

WHAT = "say what is in a dataset, or draw it"
EXAMPLES = (
    "python -m datagen describe data/tiny",
    "python -m datagen describe s3://bucket/tiny --json",
    "python -m datagen describe data/tiny --png sheet.png",
    "python -m datagen describe data/tiny --sequence 17 --png sequence.png",
    "python -m datagen describe recipe:d-large --set length=2048 --png large.png",
)

_SOME = 12
"""Entries of a list that are printed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    shared.add_url(parser, "a dataset, finished or not, or recipe:NAME")
    shared.add_overrides(parser)
    parser.add_argument("--sequence", type=_number, metavar="I", help="describe this one sequence")
    parser.add_argument("--png", metavar="FILE", help="draw it, too")
    parser.add_argument(
        "--rows", type=shared.count, metavar="N", help="about how many rows are looked at (default: 4 million)"
    )
    shared.add_json(parser)


def run(options: argparse.Namespace) -> None:
    """Describe."""
    from datagen import describe_table
    from datagen.describe import ROWS, describe
    from datagen.describe_sequence import describe_sequence
    from datagen.picture import check_picture, save_picture

    check_picture(options.png)
    if options.sequence is not None:
        facts, draw = describe_sequence(options.url, options.sequence, options.overrides)
        if options.png:
            save_picture(draw(), options.png)
        shared.print_facts(facts if options.json else _in_words(facts), options.json)
        return
    facts = describe(options.url, options.overrides, options.rows or ROWS)
    if options.png:
        from common.plots_dataset import sheet

        save_picture(sheet(facts), options.png)
    facts.pop("points")
    if options.json:
        cli.print_json(facts)
    else:
        describe_table.show(facts)


def _in_words(facts: dict[str, Any]) -> dict[str, Any]:
    """Return the facts of a sequence with a line for each, long lists cut."""

    def words(value: Any) -> Any:
        if isinstance(value, list):
            cut = [*map(str, value[:_SOME]), f"... ({len(value)} in all)"] if len(value) > _SOME else map(str, value)
            return ", ".join(cut) or "none"
        if isinstance(value, dict):
            return ", ".join(f"{name} {item}" for name, item in value.items()) or "none"
        return value

    return {name: words(value) for name, value in facts.items()}


def _number(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"takes a sequence's number, from 0, got {text}")
    return value
