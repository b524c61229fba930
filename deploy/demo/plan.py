"""What the demo runs: its settings in, each stage's command out. These are the commands a user would type."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from common.config import Settings
from common.errors import UsageError

ROOT = Path(__file__).resolve().parents[2]
"""The checkout."""
SUITES = ("small", "anymdp-16", "frozenlake", "frozenlake-slippery")
"""The first one is gated."""


class DemoSettings(Settings):
    """What the demo can be asked for."""

    out: Path
    """Folder of everything it makes; absolute."""
    recipe: str = "tiny"
    """Of data and of training."""
    data_overrides: tuple[str, ...] = ()
    train_overrides: tuple[str, ...] = ()
    suites: tuple[str, ...] = SUITES
    worlds: int = 288
    """Of each suite: enough for the gate's 256 where a tenth is left out."""
    processes: int = 2
    """Training processes."""

    @property
    def data(self) -> Path:
        """The dataset."""
        return self.out / "data"

    @property
    def run(self) -> Path:
        """The training run."""
        return self.out / "run"

    @property
    def evaluation(self) -> Path:
        """The evaluation's results; below the run, where the dashboard looks for them."""
        return self.run / "evaluation"

    def log(self, stage: str) -> Path:
        """Return a stage's log."""
        return self.out / "logs" / f"{stage}.log"

    @property
    def dashboard(self) -> str:
        """The command that shows it all."""
        return f"{_shown_python()} -m deploy.dashboard --data {_short(self.data)} --runs {_short(self.run)}"


@dataclass(frozen=True)
class Commands:
    """The command of each stage."""

    settings: DemoSettings

    def data(self, address: str) -> list[str]:
        """Submit the generator to a Ray cluster and follow it."""
        job = ["python", "-m", "datagen", "run", "--recipe", self.settings.recipe, "--out", str(self.settings.data)]
        submit = ["ray", "job", "submit", "--address", address, "--working-dir", ".", "--log-color", "false"]
        return [*submit, "--", *job, *_sets(self.settings.data_overrides)]

    def train(self) -> list[str]:
        """Train with FSDP2 over processes of this machine."""
        launch = ["torchrun", "--standalone", "--nproc-per-node", str(self.settings.processes), "trainer/main.py"]
        what = ["--recipe", self.settings.recipe, "--data", str(self.settings.data), "--run", str(self.settings.run)]
        return [*launch, *what, *_sets(self.settings.train_overrides)]

    def evaluate(self) -> list[str]:
        """Evaluate in context, and hold the result to the gate."""
        suites = [word for suite in self.settings.suites for word in ("--suite", suite)]
        where = ["--run", str(self.settings.run), "--out", str(self.settings.evaluation)]
        how = ["--worlds", str(self.settings.worlds), "--gate"]
        return ["python", "-m", "trainer.evaluation", *where, *suites, *how]


def check_checkout() -> None:
    """Refuse to run outside a checkout, whose folder Ray gets as the job's code.

    Raises:
        UsageError: This package is not part of one.
    """
    for name in ("pyproject.toml", "trainer/main.py"):
        if not (ROOT / name).is_file():
            raise UsageError(f"the demo runs in a checkout, and {ROOT} has no {name}; clone the repository")


def stage_environment(base: Mapping[str, str], columns: int) -> dict[str, str]:
    """Return the environment of a stage: this Python's programs first, one thread a process."""
    binaries = Path(sys.executable).parent
    return dict(base) | {
        "PATH": f"{binaries}{os.pathsep}{base.get('PATH', os.defpath)}",
        "OMP_NUM_THREADS": "1",
        "PYTHONUNBUFFERED": "1",
        "COLUMNS": str(columns),
    }


def _sets(overrides: tuple[str, ...]) -> list[str]:
    return [word for override in overrides for word in ("--set", override)]


def _short(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _shown_python() -> str:
    return _short(Path(sys.executable))
