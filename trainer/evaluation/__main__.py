"""``python -m trainer.evaluation``: an agent and suites in; results.json, tables, pictures and a page out."""

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
from trainer.evaluation import gate
from trainer.evaluation.options import Asked, asked, parser
from trainer.evaluation.prepared import Prepared
from trainer.evaluation.report import files, table
from trainer.evaluation.run import evaluate, prepare


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = parser().parse_args(given)
    options.command = shlex.join(["python", "-m", "trainer.evaluation", *given])
    return cli.run(_command, options)


def _command(options: argparse.Namespace) -> int:
    wanted = asked(options)
    who = wanted.who
    torch.set_num_threads(options.threads)
    agent = Agent.load(who.path, wanted.acting, options.device)
    steps = wanted.steps or who.context
    if steps is None:
        raise UsageError(f"{who.path} does not say at which context it was trained; give --steps")
    prepared, skipped = _prepare(agent, wanted, steps)
    results: dict[str, Any] = {
        "families": list(who.families),
        "agent": who.facts(),
        "command": options.command,
        "suites": {},
        "skipped": skipped,
    }
    with files.alone_in(wanted.out):
        try:
            beside = _evaluate(agent, prepared, results, wanted)
        except KeyboardInterrupt:
            _say(f"interrupted; {wanted.out} holds the suites that are done, the same command begins anew")
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


def _prepare(agent: Agent, wanted: Asked, steps: int) -> tuple[list[Prepared], dict[str, str]]:
    """Return the suites made ready, and why others do not fit the agent.

    Raises:
        UsageError: None fits.
    """
    prepared, skipped = [], {}
    for chosen in wanted.suites:
        try:
            prepared.append(prepare(agent, chosen, wanted.worlds, steps, wanted.seed, wanted.protocol))
        except UsageError as error:
            skipped[chosen.name] = str(error)
    if not prepared:
        raise UsageError("\n".join(skipped.values()))
    for name, reason in skipped.items():
        _say(f"{name} is skipped: {reason}")
    return prepared, skipped


def _evaluate(
    agent: Agent, prepared: list[Prepared], results: dict[str, Any], wanted: Asked
) -> dict[str, dict[str, Path]]:
    """Evaluate suite after suite; results.json is whole after each of them. Return the files beside it by suite."""
    written = {}
    for on in prepared:
        outcome = evaluate(agent, on, say=_say, baselines=wanted.baselines)
        results["suites"][on.suite.name] = outcome.entry
        written[on.suite.name] = files.write_suite(on, outcome, wanted.out)
        files.write_json(results, wanted.out / files.RESULTS)
    return written


def _gate(results: dict[str, Any]) -> int:
    missed = gate.failures(results)
    for line in missed:
        print(f"gate: {line}", file=sys.stderr)
    return 1 if missed else 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
