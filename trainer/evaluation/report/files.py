"""What an evaluation leaves on disk: results.json, a file of episodes and pictures for each suite, tables, a page."""

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from common.errors import UsageError
from trainer.evaluation.prepared import Prepared
from trainer.evaluation.report import curves, film, page, paper, table
from trainer.evaluation.run import Outcome
from trainer.evaluation.score import per_step
from trainer.evaluation.tally import even_bins

RESULTS = "results.json"
TABLE = "table.txt"
PAPER = "paper.txt"
PAGE = "report.html"
LOCK = ".writing"


@contextmanager
def alone_in(out: Path) -> Iterator[None]:
    """Make a folder, if there is none, and be the only one who writes an evaluation there; a death lets go of it.

    Raises:
        UsageError: Somebody else is.
    """
    out.mkdir(parents=True, exist_ok=True)
    with (out / LOCK).open("w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UsageError(f"another evaluation is writing to {out}; wait for it, or give another --out") from None
        yield


def write_suite(on: Prepared, outcome: Outcome, out: Path) -> dict[str, Path]:
    """Write a suite's episodes, pictures and films; return their paths by kind."""
    name, model = on.suite.name, outcome.tallies["model"]
    written: dict[str, Path | None] = {"episodes": out / f"episodes-{name}.json"}
    episodes = {player: tally.episodes().told() for player, tally in outcome.tallies.items()}
    write_json(episodes, out / f"episodes-{name}.json", indent=None)
    bins = even_bins(on.steps)
    by_world = per_step(model, bins)[on.counted]
    written["curves"] = curves.draw_curves(name, outcome.entry, out / f"curves-{name}.png")
    written["entropy"] = curves.draw_entropy(name, outcome.entry, out / f"entropy-{name}.png")
    written["worlds"] = curves.draw_worlds(name, by_world, bins, out / f"worlds-{name}.png")
    draw = film.frame_of(on)
    for which, scenes in (("first", outcome.film.first), ("last", outcome.film.last)):
        if draw is not None and scenes:
            written[which] = film.write_film(scenes, draw, out / f"{which}-episode-{name}.gif")
    return {kind: path for kind, path in written.items() if path is not None}


def write_report(
    results: dict[str, Any],
    written: dict[str, dict[str, Path]],
    out: Path,
    shown: dict[str, Any] | None = None,
    notes: Sequence[str] = (),
) -> list[Path]:
    """Write what is about all suites; return the paths, results.json among them.

    Args:
        results: What results.json holds.
        written: What ``write_suite`` returned, by suite.
        out: Their folder.
        shown: What demonstrations.json holds, where the page is to have it, too.
        notes: Paragraphs at the page's beginning.
    """
    table.write_tables(results, out / TABLE)
    with (out / PAPER).open("w", encoding="utf-8") as file:
        paper.print_table([results], Console(file=file, width=table.MIN_WIDTH))
    pictures = {
        suite: {kind: path for kind, path in files.items() if kind in page.CAPTIONS} for suite, files in written.items()
    }
    (out / PAGE).write_text(page.page(results, pictures, shown, notes), encoding="utf-8")
    return [out / name for name in (RESULTS, TABLE, PAPER, PAGE)]


def write_json(facts: Any, path: Path, indent: int | None = 1) -> None:
    """Write a file so that a reader sees the old one or the new one, never half of it."""
    unfinished = path.with_suffix(".part")
    unfinished.write_text(json.dumps(facts, indent=indent, allow_nan=False), encoding="utf-8")
    os.replace(unfinished, path)
