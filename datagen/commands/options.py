"""What several commands share: arguments of one meaning, and facts printed for people or as JSON."""

import argparse
from typing import Any

from common import cli


def add_recipe(parser: argparse.ArgumentParser) -> None:
    """Add ``--recipe`` and ``--set``."""
    parser.add_argument("--recipe", required=True, help="a shipped recipe's name, or a TOML file")
    add_overrides(parser)


def add_overrides(parser: argparse.ArgumentParser) -> None:
    """Add ``--set``, collected in ``overrides``."""
    parser.add_argument(
        "--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE", help="override a setting"
    )


def add_url(parser: argparse.ArgumentParser, what: str = "the dataset") -> None:
    """Add the positional ``url``."""
    parser.add_argument("url", metavar="URL", help=what)


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add ``--json``."""
    parser.add_argument("--json", action="store_true", help="print the facts as JSON")


def count(text: str) -> int:
    """Read a whole number from 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"takes a whole number from 1, got {text}")
    return value


def counts(text: str) -> list[int]:
    """Read whole numbers from 1, separated by commas."""
    return [count(part) for part in text.split(",")]


def print_facts(facts: dict[str, Any], as_json: bool) -> None:
    """Print facts as lines ``name: value``, or as one JSON document."""
    if as_json:
        cli.print_json(facts)
        return
    for name, value in facts.items():
        for item in value if isinstance(value, list) and value else [value]:
            text = f"{item:,}" if isinstance(item, int) and not isinstance(item, bool) else str(item)
            print(f"{name.replace('_', ' ')}: {text}")
