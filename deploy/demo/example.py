"""``python -m deploy.demo.example``: makes the example that the dashboard bundles, with the commands a user would type.

A small dataset through Ray, two short runs with different backbones, and what each reaches in several suites. Of all
that is made, what the dashboard shows is kept: no checkpoints, of losses by position the policy's alone, numbers to
four digits, neither folders nor this machine's name.
"""

import argparse
import json
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from common import cli
from common.errors import DataError
from deploy.demo.plan import ROOT, check_checkout, stage_environment
from deploy.demo.processes import run_logged, terminate_as_interrupt
from deploy.demo.ray_head import environment

EXAMPLE = ROOT / "deploy" / "dashboard" / "example"
DATA = ("sequences=256", "sequences_per_shard=16", "length=256")
RUNS = {
    "transformer": ("steps=1200",),
    "gated-delta-net": ("steps=500", "model.backbone=gated-delta-net"),
}
SUITES = ("small", "anymdp-16", "garnet-16", "frozenlake", "frozenlake-slippery")
WORLDS = 128
DIGITS = 4
KEPT = ("run.json", "metrics.jsonl", "latest", "best", "evaluation/results.json")
EXAMPLES = ("python -m deploy.demo.example --work /tmp/example",)
HOST = "workstation"
"""Stands for this machine's name."""


def arguments() -> argparse.ArgumentParser:
    """Return the command's argument parser."""
    parser = cli.parser("python -m deploy.demo.example", "Make the dashboard's bundled example anew.", EXAMPLES)
    parser.add_argument("--work", required=True, metavar="DIR", help="where it is made; given again, it goes on")
    return parser


def make(given: argparse.Namespace) -> int:
    """Make data, runs and evaluations in ``given.work``, then replace the bundled example.

    Raises:
        DataError: A command failed; the message names its log.
    """
    check_checkout()
    work = Path(given.work).resolve()
    values = environment(stage_environment(os.environ, 140), Path(sys.executable).parent)
    with terminate_as_interrupt():
        for name, command in commands(work):
            log = work / "logs" / f"{name}.log"
            if code := run_logged(command, log, ROOT, values):
                raise DataError(f"{name} failed with exit code {code}; see {log}; the same command goes on")
    _bundle(work)
    total = sum(path.stat().st_size for path in EXAMPLE.rglob("*") if path.is_file())
    print(f"{EXAMPLE}: {total:,} bytes")
    return 0


def commands(work: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield a name and a command for everything that is made."""
    data = ["python", "-m", "datagen", "run", "--recipe", "tiny", "--out", str(work / "data" / "tiny"), "--actors", "2"]
    yield "data", data + _sets(DATA)
    for name, changes in RUNS.items():
        run = work / "runs" / name
        launch = ["torchrun", "--standalone", "--nproc-per-node", "2", "trainer/main.py", "--recipe", "tiny"]
        yield f"train-{name}", [*launch, "--data", "recipe:tiny", "--run", str(run), *_sets(changes)]
        if (run / "evaluation" / "results.json").exists():
            continue
        suites = [word for suite in SUITES for word in ("--suite", suite)]
        where = ["--run", str(run), "--out", str(run / "evaluation"), "--worlds", str(WORLDS)]
        yield f"evaluate-{name}", ["python", "-m", "trainer.evaluation", *where, *suites]


def _sets(changes: tuple[str, ...]) -> list[str]:
    return [word for change in changes for word in ("--set", change)]


def _bundle(work: Path) -> None:
    if EXAMPLE.exists():
        shutil.rmtree(EXAMPLE)
    shutil.copytree(work / "data", EXAMPLE / "data")
    for path in (EXAMPLE / "data").glob("*/status/*~*"):
        path.rename(path.with_name(path.name.replace(socket.gethostname(), HOST)))
    for path in (EXAMPLE / "data").glob("*/status/**/*.json"):
        path.write_text(json.dumps(_plain(json.loads(path.read_text()), work)))
    for name in RUNS:
        for kept in KEPT:
            source, target = work / "runs" / name / kept, EXAMPLE / "runs" / name / kept
            if not source.exists():
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            text = source.read_text()
            if kept.endswith((".json", ".jsonl")):
                lines = text.splitlines() if kept.endswith(".jsonl") else [text]
                text = "".join(json.dumps(_plain(json.loads(line), work)) + "\n" for line in lines)
            target.write_text(text)


def _plain(value: Any, work: Path, moment: bool = False) -> Any:
    """Return a document with short numbers (times apart), and without this machine's name and folders."""
    if isinstance(value, float):
        return round(value, 2) if moment else float(f"{value:.{DIGITS}g}")
    if isinstance(value, dict):
        clocks = ("time", "from", "to", "since", "heartbeat")
        place = {"from", "to", "loss_policy"} if {"from", "loss_policy"} <= value.keys() else value.keys()
        return {key: _plain(part, work, key in clocks) for key, part in value.items() if key in place}
    if isinstance(value, list):
        return [_plain(part, work) for part in value]
    if isinstance(value, str):
        return value.replace(f"{work}/", "").replace(f"{ROOT}/", "").replace(socket.gethostname(), HOST)
    return value


if __name__ == "__main__":
    sys.exit(cli.run(make, arguments().parse_args()))
