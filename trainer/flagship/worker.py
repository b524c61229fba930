"""One phase of a leg, in a process of its own: what it hangs in or dies of ends with it, and memory is given back.

Started by ``trainer.flagship.leg`` as ``python -m trainer.flagship.worker PHASE --state FOLDER ...``.
"""

import argparse
import importlib
import logging
import os
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from common import cli
from trainer.flagship import tuning
from trainer.flagship.scale import SCALES, Scale
from trainer.flagship.state import State

MODULES = {
    "warm": "warm",
    "compile": "compiling",
    "machine": "machine",
    "parity": "parity",
    "pick": "pick",
    "speed": "speed",
    "feed": "feed",
    "trace": "trace",
    "train": "stages",
    "evaluate": "judge",
    "demonstrations": "shown",
    "share": "share",
}
"""Where each phase is: ``run(work)`` of ``trainer.flagship.NAME``."""


@dataclass(frozen=True)
class Work:
    """What a phase is given."""

    state: State
    scale: Scale
    device: torch.device
    ends: float
    """``time.monotonic`` at which it should be done."""

    @property
    def left(self) -> float:
        """Seconds left."""
        return self.ends - time.monotonic()

    @property
    def sets(self) -> list[str]:
        """``--set`` settings of every stage's training recipe: the scale's, then the command's."""
        return [*self.scale.overrides, *self.state.settings().get("sets", [])]

    def say(self, line: str) -> None:
        """Print a line."""
        print(line, flush=True)


def run(arguments: argparse.Namespace) -> int:
    """Do a phase."""
    if arguments.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
        torch.set_num_threads(1)
    else:
        tuning.try_at_most(SCALES[arguments.scale].tries)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    warnings.filterwarnings("ignore", message=".*ChunkDeltaRuleFunction does not support float32.*")
    work = Work(
        State(arguments.state),
        SCALES[arguments.scale],
        torch.device(arguments.device),
        time.monotonic() + arguments.seconds,
    )
    phase: Callable[[Work], None] = importlib.import_module(f"trainer.flagship.{MODULES[arguments.phase]}").run
    phase(work)
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = cli.parser("python -m trainer.flagship.worker", "One phase of a leg; started by trainer.flagship.")
    parser.add_argument("phase", choices=list(MODULES))
    parser.add_argument("--state", type=Path, required=True, help="the state folder")
    parser.add_argument("--device", default="cuda", help="cuda or cpu")
    parser.add_argument("--scale", default="full", choices=list(SCALES), help="full, or small: a rehearsal")
    parser.add_argument("--seconds", type=float, default=60.0, help="that it has")
    return cli.run(run, parser.parse_args(arguments))


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
