"""What every command shares: help with examples, exit codes, JSON output."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from typing import Any

from common.errors import DataError, UsageError


def parser(program: str, description: str, examples: Sequence[str] = ()) -> argparse.ArgumentParser:
    """Return an argument parser whose help ends with examples, one command a line."""
    epilog = "examples:\n" + "\n".join(f"  {line}" for line in examples) if examples else None
    return argparse.ArgumentParser(
        prog=program, description=description, epilog=epilog, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def run(command: Callable[[argparse.Namespace], int | None], arguments: argparse.Namespace) -> int:
    """Run a command; return its exit code: 0 done, 1 failed, 2 refused, 130 interrupted."""
    try:
        return command(arguments) or 0
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the same command again goes on from here", file=sys.stderr)
        return 130


def print_json(value: Any) -> None:
    """Print facts as one JSON document (nan and inf are refused)."""
    print(json.dumps(value, indent=2, allow_nan=False))
