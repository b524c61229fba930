"""``python -m deploy.demo``: data on Ray, training, evaluation in context, a report that says whether it learned."""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from common import cli
from deploy.demo.facts import facts
from deploy.demo.plan import SUITES, DemoSettings, check_checkout
from deploy.demo.processes import terminate_as_interrupt
from deploy.demo.report import pictures, write_report
from deploy.demo.stages import Demo

EXAMPLES = (
    "python -m deploy.demo",
    "python -m deploy.demo --out /tmp/demo",
    "python -m deploy.demo --out /tmp/longer --train-set steps=6000",
)


def arguments() -> argparse.ArgumentParser:
    """Return the command's argument parser."""
    parser = cli.parser(
        "python -m deploy.demo",
        "Generate data on Ray, train, evaluate in context and report; again: go on where it ended. Exit code 1 where a "
        "stage fails or the agent has not learned to learn.",
        EXAMPLES,
    )
    parser.add_argument("--out", default="demo", help="folder of everything it makes (default: %(default)s)")
    parser.add_argument("--recipe", default="tiny", help="data and training recipe (default: %(default)s)")
    for part in ("data", "train"):
        parser.add_argument(
            f"--{part}-set",
            action="append",
            default=[],
            metavar="KEY=VALUE",
            help=f"override a setting of {part}",
        )
    parser.add_argument("--suite", action="append", metavar="NAME", help=f"default: {', '.join(SUITES)}")
    parser.add_argument("--worlds", type=int, default=288, help="worlds of each suite (default: %(default)s)")
    parser.add_argument("--processes", type=int, default=2, help="training processes (default: %(default)s)")
    return parser


def demo(given: argparse.Namespace) -> int:
    """Run the demo; return 0 where the gate is passed, 1 where it is missed.

    Raises:
        StageFailed: A stage failed.
        UsageError: This is no checkout, or ``--out`` holds something else.
    """
    check_checkout()
    settings = DemoSettings(
        out=Path(given.out).resolve(),
        recipe=given.recipe,
        data_overrides=tuple(given.data_set),
        train_overrides=tuple(given.train_set),
        suites=tuple(given.suite or SUITES),
        worlds=given.worlds,
        processes=given.processes,
    )
    with terminate_as_interrupt():
        work = Demo(settings, shutil.get_terminal_size((140, 24)).columns)
        missed = work.run()
    shown = pictures(settings)
    found = facts(settings, work.stages)
    report = write_report(settings, found, missed, shown)
    _tell(settings, found, missed, shown, report)
    return 1 if missed else 0


def _tell(
    settings: DemoSettings, found: Sequence[tuple[str, str]], missed: Sequence[str], shown: Sequence[Path], report: Path
) -> None:
    print("\n=== report")
    table = settings.evaluation / "table.txt"
    if table.exists():
        print(table.read_text(encoding="utf-8"))
    for name, value in found:
        print(f"{name:>16}  {value}")
    for path in (*shown, report):
        print(f"{'picture' if path.suffix == '.png' else 'report':>16}  {path}")
    print(f"{'dashboard':>16}  {settings.dashboard}")
    verdict = "missed: " + "; ".join(missed) if missed else "passed"
    print(f"{'gate':>16}  {verdict}", flush=True)


if __name__ == "__main__":
    sys.exit(cli.run(demo, arguments().parse_args()))
