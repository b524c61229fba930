"""Phase ``demonstrations``: the paper's Table 2: the agent reads a demonstrator's episodes, then plays; all at once."""

import time
from typing import Any

from rich.console import Console

from trainer.evaluation.baselines.shown import Shown, demonstrations
from trainer.evaluation.demonstrations import begin_with
from trainer.evaluation.report import offline
from trainer.evaluation.score import scores
from trainer.evaluation.several import heading, ready
from trainer.evaluation.suites import named
from trainer.flagship.joint import play_jointly
from trainer.flagship.judge import FOLDER, command, load, nothing_yet
from trainer.flagship.state import write_json
from trainer.flagship.worker import Work

KINDS = ("oracle", "random")


def run(work: Work) -> None:
    """Show, play, score; write demonstrations.json and table2.txt."""
    began, scale = time.monotonic(), work.scale
    if nothing_yet(work, "demonstrations"):
        return
    agent, who = load(work)
    prepared, skipped = ready(
        agent, who, named(list(scale.table2)), scale.table2_worlds, scale.table2_steps, tell=work.say
    )
    pairs = [(on, demonstrations(on, kind, scale.demonstrated)) for on in prepared for kind in KINDS]
    together = Shown([rows for _, shown in pairs for rows in shown.rows], "several", None)
    ends = work.ends - max(2.0, 0.1 * work.left)
    found = play_jointly(agent, [on for on, _ in pairs], scale.table2_steps, ends, begin_with(together))
    results = heading(who, command(work), skipped)
    for (_, shown), (on, tally) in zip(pairs, found, strict=True):
        line: dict[str, Any] = {
            "demonstrator": shown.kind,
            "episodes": scale.demonstrated,
            "shown_return": float(shown.returns().mean()),
            "model": {"episodes": offline.figures(tally), "scores": scores(tally, on.counted)},
            "conservative-q": None,
        }
        results["suites"].setdefault(on.suite.name, []).append(line)
    out = work.state.share / FOLDER
    out.mkdir(exist_ok=True)
    write_json(results, out / "demonstrations.json")
    with (out / "table2.txt").open("w", encoding="utf-8") as file:
        offline.print_table(results, Console(file=file, width=200))
    work.state.note("demonstrations", steps=found[0][0].steps, seconds=time.monotonic() - began)
    work.say((out / "table2.txt").read_text(encoding="utf-8"))
