"""``python -m trainer.study NAME``: a question in, trained arms, a table and a picture out; again, it resumes."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from common import cli
from common.errors import UsageError
from trainer.study.arm import SCALES
from trainer.study.runner import run
from trainer.study.studies import STUDIES

EXAMPLES = (
    "python -m trainer.study ablation",
    "python -m trainer.study ablation --scale paper --ranks 8 --out studies/ablation-paper",
    "python -m trainer.study backbone --arm transformer --arm rwkv7",
    "python -m trainer.study --list",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = cli.parser(
        "python -m trainer.study", "Answer one question by training a few arms that differ in it.", EXAMPLES
    )
    parser.add_argument("name", nargs="?", help=f"which study: {', '.join(STUDIES)}")
    parser.add_argument("--scale", default="cpu", help=f"{', '.join(SCALES)}: minutes on a core, a GPU, the paper's")
    parser.add_argument("--out", type=Path, help="the study's folder (studies/NAME-SCALE); one that exists goes on")
    parser.add_argument("--arm", action="append", default=[], help="only this arm; again for several")
    parser.add_argument("--ranks", type=int, default=1, help="processes that train an arm together (1)")
    parser.add_argument("--list", action="store_true", help="print the studies and stop")
    parser.add_argument("--json", action="store_true", help="print results.json instead of the table")
    return cli.run(_command, parser.parse_args(arguments))


def _command(options: argparse.Namespace) -> int:
    if options.list:
        print("\n".join(f"{name:10s} {study.title}" for name, study in STUDIES.items()))
        return 0
    if options.name not in STUDIES:
        raise UsageError(f"say which study: {', '.join(STUDIES)}; got {options.name!r}")
    if options.scale not in SCALES:
        raise UsageError(f"--scale takes {', '.join(SCALES)}, got {options.scale!r}")
    if options.ranks < 1:
        raise UsageError(f"--ranks must be at least 1, got {options.ranks}")
    study, out = STUDIES[options.name], options.out or Path("studies") / f"{options.name}-{options.scale}"
    told = run(study, SCALES[options.scale], out, _say, options.arm, options.ranks)
    if options.json:
        cli.print_json(told)
    else:
        print((out / "table.txt").read_text(encoding="utf-8"))
        print(f"wrote {out / 'results.json'}, {out / 'table.txt'}, {out / f'{study.name}.png'}")
    return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
