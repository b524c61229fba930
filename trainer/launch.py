"""torchrun that leaves a script's own options alone.

torchrun's parser takes ``--run`` of the script for an abbreviation of its ``--run-path`` and refuses the command
(older Pythons look at every word, also behind the script's name). This is the same command, without abbreviations.
"""

import argparse

from torch.distributed import run


def main() -> None:
    """Run torchrun's command line."""
    make = run.get_args_parser

    def without_abbreviations() -> argparse.ArgumentParser:
        parser = make()
        parser.allow_abbrev = False
        return parser

    run.get_args_parser = without_abbreviations
    run.main()


if __name__ == "__main__":
    main()
