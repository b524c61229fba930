"""Phase ``evaluate``: the newest weights on the suites of the paper's Table 1, all at once, with frozen weights."""

import time
from typing import Any

from rich.console import Console

from common.errors import DataError
from trainer.agent import Agent
from trainer.evaluation.report import paper, table
from trainer.evaluation.run import entry_of
from trainer.evaluation.several import heading, ready
from trainer.evaluation.subject import Subject, subject
from trainer.evaluation.suites import named
from trainer.flagship.joint import play_jointly
from trainer.flagship.stages import trained
from trainer.flagship.state import State, write_json
from trainer.flagship.worker import Work

FOLDER = "evaluation"


def run(work: Work) -> None:
    """Play, score, and write results.json, the tables, and the paper's Table 1 beside ours."""
    began = time.monotonic()
    if nothing_yet(work, "evaluate"):
        return
    agent, who = load(work)
    scale = work.scale
    prepared, skipped = ready(agent, who, named(list(scale.suites)), scale.worlds, scale.steps, tell=work.say)
    # a third of what is left when worlds are ready is more than scoring takes
    ends = work.ends - max(2.0, 0.15 * work.left)
    found = play_jointly(agent, prepared, scale.steps, ends)
    seconds = time.monotonic() - began
    results = heading(who, command(work), skipped)
    for on, tally in found:
        results["suites"][on.suite.name] = entry_of(agent, on, {"model": tally}, "empty context", seconds)
    played = found[0][0].steps
    out = work.state.share / FOLDER
    out.mkdir(exist_ok=True)
    write_json(results, out / "results.json")
    table.write_tables(results, out / "table.txt")
    with (out / "table1.txt").open("w", encoding="utf-8") as file:
        paper.print_table([results], Console(file=file, width=200))
    best = {name: (entry["model"]["by_episode"] or {}).get("best") for name, entry in results["suites"].items()}
    work.state.note("evaluation", agent=str(who.path), steps=played, asked=work.scale.steps, seconds=seconds, best=best)
    work.say((out / "table1.txt").read_text(encoding="utf-8"))
    if played < work.scale.steps:
        work.say(f"  played {played} of {work.scale.steps} steps: the phase's seconds were over")


def nothing_yet(work: Work, phase: str) -> bool:
    """Return whether nothing was trained yet, and say so."""
    if trained(work.state) is not None:
        return False
    work.state.note("skipped", what=phase, why="nothing is trained yet")
    work.say("  nothing is trained yet")
    return True


def load(work: Work) -> tuple[Agent, Subject]:
    """Return the agent of the newest checkpoint, on the device, and where it comes from.

    Raises:
        DataError: Nothing was trained yet.
    """
    path = trained(work.state)
    if path is None:
        raise DataError(f"there is nothing to evaluate: {work.state.folder} has neither a checkpoint nor --init")
    return Agent.load(path, device=str(work.device)), subject(path)


def command(work: Work) -> str:
    """Return what results name as the command that made them."""
    return f"python -m trainer.flagship --state {work.state.folder.name} --device {work.device.type}"


def results_of(state: State, name: str) -> dict[str, Any] | None:
    """Return results that a leg has written to the share, None where none has."""
    import json

    path = state.share / FOLDER / name
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None
