"""``python -m trainer.evaluation``: an agent and suites in; results.json, tables, pictures and a page out."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from typing import Any

import torch

from common import cli
from trainer.agent import Agent
from trainer.evaluation import gate
from trainer.evaluation.options import asked, parser
from trainer.evaluation.report import files, table
from trainer.evaluation.several import evaluate_all, heading, ready, say


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = parser().parse_args(given)
    options.command = shlex.join(["python", "-m", "trainer.evaluation", *given])
    return cli.run(_command, options)


def _command(options: argparse.Namespace) -> int:
    wanted = asked(options)
    torch.set_num_threads(options.threads)
    agent = Agent.load(wanted.who.path, wanted.acting, options.device)
    prepared, skipped = ready(
        agent, wanted.who, wanted.suites, wanted.worlds, wanted.steps, wanted.seed, wanted.protocol
    )
    results = heading(wanted.who, options.command, skipped)
    with files.alone_in(wanted.out):
        try:
            beside = evaluate_all(agent, prepared, results, wanted.baselines, wanted.out)
        except KeyboardInterrupt:
            say(f"interrupted; {wanted.out} holds the suites that are done, the same command begins anew")
            return 130
        written = files.write_report(results, beside, wanted.out)
    if options.json:
        cli.print_json(results)
    else:
        table.print_tables(results)
        print(
            "\n".join(f"wrote {path}" for path in (*written, *(p for kinds in beside.values() for p in kinds.values())))
        )
    return _gate(results) if options.gate else 0


def _gate(results: dict[str, Any]) -> int:
    missed = gate.failures(results)
    for line in missed:
        print(f"gate: {line}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
