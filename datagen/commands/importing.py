"""``python -m datagen import``."""

import argparse

from datagen.commands import options as shared

WHAT = "make a dataset of record folders in the original's layout"
EXAMPLES = (
    "python -m datagen import data/records --out data/imported",
    "python -m datagen import data/records --out s3://bucket/imported --label oracle --name their-large",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("folder", metavar="DIR", help="the folder that holds record-NNNNNN folders")
    parser.add_argument("--out", required=True, metavar="URL", help="the dataset: a new one, or one to go on with")
    parser.add_argument("--name", default="imported", help="what people call it (default: imported)")
    parser.add_argument(
        "--label",
        choices=("auto", "oracle", "action"),
        default="auto",
        help="what actions_label is: a function of the state (oracle) or the recorded action (action); auto: look",
    )
    parser.add_argument("--actions", type=shared.count, metavar="A", help="action ids (default: the id of break rows)")
    parser.add_argument(
        "--vocabulary", type=shared.count, metavar="V", help="observation symbols (default: the largest plus one)"
    )
    parser.add_argument(
        "--sequences-per-shard",
        type=shared.count,
        metavar="N",
        help="divides the number of records (default: the largest such number that makes shards of 64 MB at most)",
    )
    parser.add_argument(
        "--takeover", action="store_true", help="take the dataset from a command that holds it and still lives"
    )
    shared.add_json(parser)


def run(options: argparse.Namespace) -> None:
    """Import."""
    from datagen.importing import import_records

    facts = import_records(
        options.folder,
        options.out,
        name=options.name,
        label=options.label,
        actions=options.actions,
        vocabulary=options.vocabulary,
        sequences_per_shard=options.sequences_per_shard,
        takeover=options.takeover,
    )
    shared.print_facts(facts, options.json)
