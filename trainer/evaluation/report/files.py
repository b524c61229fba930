"""What an evaluation leaves on disk: results.json, a file of episodes and pictures for each suite, tables, a page."""

import json
import os
from pathlib import Path
from typing import Any

from trainer.evaluation.prepared import Prepared
from trainer.evaluation.report import curves, table
from trainer.evaluation.run import Outcome
from trainer.evaluation.score import per_step
from trainer.evaluation.tally import even_bins

RESULTS = "results.json"
TABLE = "table.txt"


def write_suite(on: Prepared, outcome: Outcome, out: Path) -> list[Path]:
    """Write a suite's episodes and pictures; return their paths."""
    name, model = on.suite.name, outcome.tallies["model"]
    episodes = out / f"episodes-{name}.json"
    write_json({player: tally.episodes().told() for player, tally in outcome.tallies.items()}, episodes, indent=None)
    bins = even_bins(on.steps)
    by_world = per_step(model, bins)[on.counted]
    drawn = [
        curves.draw_curves(name, outcome.entry, out / f"curves-{name}.png"),
        curves.draw_entropy(name, outcome.entry, out / f"entropy-{name}.png"),
        curves.draw_worlds(name, by_world, bins, out / f"worlds-{name}.png"),
    ]
    return [episodes, *(path for path in drawn if path is not None)]


def write_report(results: dict[str, Any], out: Path) -> list[Path]:
    """Write what is about all suites; return the paths, results.json among them."""
    table.write_tables(results, out / TABLE)
    return [out / RESULTS, out / TABLE]


def write_json(facts: Any, path: Path, indent: int | None = 1) -> None:
    """Write a file so that a reader sees the old one or the new one, never half of it."""
    unfinished = path.with_suffix(".part")
    unfinished.write_text(json.dumps(facts, indent=indent, allow_nan=False), encoding="utf-8")
    os.replace(unfinished, path)
