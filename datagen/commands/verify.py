"""``python -m datagen verify``."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from common import cli
from datagen.commands import options as shared

WHAT = "check a dataset, and print the one digest of its data"
EXAMPLES = (
    "python -m datagen verify data/tiny",
    "python -m datagen verify data/tiny --quick --json",
    "python -m datagen verify s3://bucket/tiny --replay 100",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    shared.add_url(parser)
    parser.add_argument("--quick", action="store_true", help="compare stored bytes only, decode nothing")
    parser.add_argument(
        "--replay",
        type=shared.count,
        default=0,
        metavar="N",
        help="make N random sequences again from their seeds and compare them byte for byte",
    )
    parser.add_argument(
        "--replay-seed", type=int, metavar="SEED", help="choose the same sequences as the run that printed it"
    )
    parser.add_argument(
        "--threads", type=shared.count, metavar="N", help="shards checked at a time (default: cores, at most 6)"
    )
    shared.add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Check; 1 where anything is wrong."""
    from datagen.verify import verify

    with _bar() as tick:
        report = verify(
            options.url,
            quick=options.quick,
            replays=options.replay,
            replay_seed=options.replay_seed,
            threads=options.threads,
            tick=tick,
        )
    facts = report.model_dump(mode="json")
    if options.json:
        cli.print_json(facts)
        return 0 if report.ok else 1
    for fault in report.faults:
        print(f"fault: {fault}")
    sound = "sound" if report.ok else "NOT SOUND"
    how = "stored bytes compared" if report.quick else "every row decoded and compared"
    print(f"{sound}: {report.shards:,} shards, {report.sequences:,} sequences, {report.steps:,} steps; {how}")
    if report.replayed:
        print(f"replayed {report.replayed:,} sequences from their seeds (--replay-seed {report.replay_seed})")
    print(
        f"{report.stored_bytes / 1e6:,.1f} MB in {report.seconds:.1f} s: {report.megabytes_per_second:,.0f} MB/s, "
        f"{report.megabytes_per_cpu_second:,.0f} MB/s a core"
    )
    print(f"digest: {report.digest}")
    return 0 if report.ok else 1


@contextmanager
def _bar() -> Iterator[Callable[[int, int, int], None] | None]:
    """Yield what draws a progress bar on a terminal's standard error; None where there is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = ("verify", BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[read]}"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("verify", total=None, read="")

        def tick(done: int, total: int, stored_bytes: int) -> None:
            progress.update(task, completed=done, total=total, read=f"{stored_bytes / 1e6:,.0f} MB")

        yield tick
