"""``python -m datagen gc``."""

import argparse

from common import cli
from datagen.commands import options as shared

WHAT = "remove what interrupted runs left: staged files, objects of shards never committed"
EXAMPLES = (
    "python -m datagen gc data/tiny --dry-run",
    "python -m datagen gc s3://bucket/tiny --older-than 0",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    shared.add_url(parser)
    parser.add_argument("--dry-run", action="store_true", help="say what would be removed, and remove nothing")
    parser.add_argument(
        "--older-than",
        type=_seconds,
        metavar="SECONDS",
        help="while a worker of another machine may be alive: remove only objects of this age (default: 600)",
    )
    parser.add_argument(
        "--takeover", action="store_true", help="take the dataset from a command that holds it and still lives"
    )
    shared.add_json(parser)


def run(options: argparse.Namespace) -> None:
    """Remove it, and say what it was."""
    from datagen.gc import YOUNG, collect

    older_than = YOUNG if options.older_than is None else options.older_than
    found = collect(options.url, dry_run=options.dry_run, older_than=older_than, takeover=options.takeover)
    if options.json:
        cli.print_json(found.model_dump(mode="json"))
        return
    for key in found.removed:
        print(f"{'would remove' if found.dry_run else 'removed'} {key}")
    print(
        f"{'would remove' if found.dry_run else 'removed'} {len(found.removed):,} objects, "
        f"{found.removed_bytes / 1e6:,.1f} MB"
    )
    if found.kept:
        print(
            f"kept {len(found.kept):,} uncommitted objects, {found.kept_bytes / 1e6:,.1f} MB, younger than "
            f"{older_than:.0f} s: {', '.join(found.maybe_alive[:3])} may be at work; --older-than 0 removes them now"
        )


def _seconds(text: str) -> float:
    value = float(text)
    if not 0.0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"takes seconds, 0 or more, got {text}")
    return value
