"""``python -m trainer.evaluation.whole``: all that is to be said of an agent, on one page that needs nothing beside it.

The layouts of the paper's Tables 1 and 2 with ours beside, learning curves against every baseline, films, settings.
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from common import cli
from common.errors import UsageError
from trainer.agent import Agent
from trainer.evaluation.baselines import ALL
from trainer.evaluation.baselines import named as named_baselines
from trainer.evaluation.demonstrations import TABLE_2, show_all
from trainer.evaluation.protocol import PRESETS, acting_of
from trainer.evaluation.report import files, table
from trainer.evaluation.several import evaluate_all, heading, ready, say
from trainer.evaluation.subject import subject
from trainer.evaluation.suites import named

SUITES = ("small", "paper", "cartpole", "mountaincar", "pomdp")
SHOWN = ("random", "oracle")
"""Demonstrators of the paper's Table 2."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = _parser().parse_args(given)
    options.command = shlex.join(["python", "-m", "trainer.evaluation.whole", *given])
    return cli.run(_command, options)


def _parser() -> argparse.ArgumentParser:
    made = cli.parser(
        "python -m trainer.evaluation.whole",
        "Evaluate an agent on every suite that fits it, against every baseline, from an empty context and from "
        "demonstrations; write one page with the paper's Tables 1 and 2 beside ours.",
        [
            "python -m trainer.evaluation.whole --agent tiny --out report",
            "python -m trainer.evaluation.whole --run runs/large --steps 12000 --protocol paper --out report",
        ],
    )
    who = made.add_mutually_exclusive_group(required=True)
    who.add_argument("--run", help="a run's folder: its latest checkpoint")
    who.add_argument("--agent", help="an exported model's file, or a bundled agent's name")
    made.add_argument("--out", required=True, help="folder for report.html and everything it shows")
    made.add_argument("--suite", action="append", metavar="NAME", help=f"those that fit of {', '.join(SUITES)}")
    made.add_argument(
        "--baseline", action="append", default=[], metavar="NAME", help=f"all unless given: {', '.join(ALL)}"
    )
    made.add_argument("--worlds", type=int, default=256, help="worlds of each suite (256)")
    made.add_argument("--steps", type=int, help="steps in each world (the context it was trained at)")
    made.add_argument("--episodes", type=int, default=20, help="episodes that a demonstrator shows (20)")
    made.add_argument("--seed", type=int, default=0, help="of worlds, labels, transitions and demonstrations (0)")
    made.add_argument("--protocol", default="default", help=f"how the agent acts: {', '.join(PRESETS)}")
    made.add_argument("--threads", type=int, default=1, help="CPU threads of the model (1)")
    return made


def _command(options: argparse.Namespace) -> int:
    if min(options.worlds, options.threads, options.episodes, options.steps or 1) < 1 or options.seed < 0:
        raise UsageError("--worlds, --steps, --episodes and --threads must be at least 1 and --seed at least 0")
    out = Path(options.out)
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out must be a folder, and {out} is a file; give another path")
    who = subject(Path(options.run or options.agent))
    baselines = named_baselines(options.baseline) or ALL
    torch.set_num_threads(options.threads)
    agent = Agent.load(who.path, acting_of(who.path, options.protocol))
    prepared, skipped = ready(
        agent, who, named(options.suite or list(SUITES)), options.worlds, options.steps, options.seed
    )
    results = heading(who, options.command, skipped)
    second = [on for on in prepared if on.suite.name in TABLE_2 or on.suite.name.startswith("frozenlake")]
    shown: dict[str, Any] = heading(who, options.command, {})
    with files.alone_in(out):
        try:
            beside = evaluate_all(agent, prepared, results, baselines, out)
            show_all(agent, second, shown, SHOWN, [options.episodes], out)
        except KeyboardInterrupt:
            say(f"interrupted; {out} holds what is done, the same command begins anew")
            return 130
        written = files.write_report(results, beside, out, shown)
    table.print_tables(results)
    print("\n".join(f"wrote {path}" for path in (*written, out / "demonstrations.json", out / "table2.txt")))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
