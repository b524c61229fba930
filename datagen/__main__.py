"""The command line: ``python -m datagen COMMAND``; the commands are in ``datagen.commands``."""

import argparse
import sys
from collections.abc import Sequence

from common import cli
from datagen import commands

_EXAMPLES = (
    "python -m datagen run --recipe tiny --out data/tiny",
    "python -m datagen verify data/tiny --json",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code: 0 done, 1 failed, 2 refused, 130 interrupted."""
    options = _parser().parse_args(arguments)
    return cli.run(options.function, options)


def _parser() -> argparse.ArgumentParser:
    top = cli.parser("python -m datagen", "Random worlds in, a dataset out.", _EXAMPLES)
    added = top.add_subparsers(required=True, metavar="COMMAND")
    for name in commands.COMMANDS:
        command = commands.load(name)
        like = cli.parser(f"python -m datagen {name}", command.WHAT, command.EXAMPLES)
        parser = added.add_parser(
            name, help=command.WHAT, description=command.WHAT, epilog=like.epilog, formatter_class=like.formatter_class
        )
        command.add_arguments(parser)
        parser.set_defaults(function=command.run)
    return top


if __name__ == "__main__":
    sys.exit(main())
