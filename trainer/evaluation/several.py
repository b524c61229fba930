"""Several suites, one after the other: made ready for an agent, played, and written beside each other."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from common.errors import UsageError
from trainer.agent import Agent
from trainer.evaluation.prepared import Prepared
from trainer.evaluation.protocol import Protocol
from trainer.evaluation.run import evaluate, prepare
from trainer.evaluation.subject import Subject
from trainer.evaluation.suites import Suite


def say(line: str) -> None:
    """Tell people how far it is."""
    print(line, file=sys.stderr, flush=True)


def ready(
    agent: Agent,
    who: Subject,
    suites: Sequence[Suite],
    worlds: int,
    steps: int | None = None,
    seed: int = 0,
    protocol: Protocol | None = None,
    tell: Callable[[str], None] = say,
) -> tuple[list[Prepared], dict[str, str]]:
    """Return the suites made ready, and why others do not fit the agent.

    Args:
        agent: Who is to play.
        who: Where it comes from.
        suites: What is asked for.
        worlds: Of each suite.
        steps: In each world; None: the context it was trained at.
        seed: Of worlds, labels and transitions.
        protocol: What worlds are like.
        tell: Called with a line on each suite that is left out.

    Raises:
        UsageError: None fits, or nothing says at which context the agent was trained.
    """
    steps = steps or who.context
    if steps is None:
        raise UsageError(f"{who.path} does not say at which context it was trained; give --steps")
    prepared, skipped = [], {}
    for chosen in suites:
        try:
            prepared.append(prepare(agent, chosen, worlds, steps, seed, protocol))
        except UsageError as error:
            skipped[chosen.name] = str(error)
            tell(f"{chosen.name} is skipped: {error}")
    if not prepared:
        raise UsageError("\n".join(skipped.values()))
    return prepared, skipped


def heading(who: Subject, command: str, skipped: dict[str, str]) -> dict[str, Any]:
    """Return what results begin with."""
    results: dict[str, Any] = {"families": list(who.families), "agent": who.facts(), "command": command}
    return results | {"suites": {}, "skipped": skipped}


def evaluate_all(
    agent: Agent, prepared: Sequence[Prepared], results: dict[str, Any], baselines: tuple[str, ...], out: Path
) -> dict[str, dict[str, Path]]:
    """Evaluate suite after suite; results.json is whole after each of them. Return the files beside it by suite."""
    from trainer.evaluation.report import files  # draws pictures: needs matplotlib

    written = {}
    for on in prepared:
        outcome = evaluate(agent, on, say=say, baselines=baselines)
        results["suites"][on.suite.name] = outcome.entry
        written[on.suite.name] = files.write_suite(on, outcome, out)
        files.write_json(results, out / files.RESULTS)
    return written
