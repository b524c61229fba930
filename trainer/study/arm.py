"""What a study trains: arms that differ in what they name, at a scale that says how long and how large."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

Result = dict[str, Any]
Say = Callable[[str], None]


class Arm(NamedTuple):
    """One training run of a study: the trainer's own arguments."""

    name: str
    about: str
    """What it differs in, for people."""
    recipe: str
    """Training recipe."""
    data: str
    """Data recipe, generated while it trains."""
    settings: tuple[str, ...] = ()
    """``--set`` values of the training recipe."""
    data_settings: tuple[str, ...] = ()
    """``--data-set`` values of the data recipe."""
    minutes: float | None = None
    """Processor minutes of one core to train for; ``steps`` follow from a measurement. None: the recipe's steps."""


class Scale(NamedTuple):
    """How large a study is."""

    name: str
    recipe: str
    """Training recipe that its arms begin with."""
    settings: tuple[str, ...]
    data: str
    """Data recipe that its arms begin with."""
    data_settings: tuple[str, ...]
    suite: str
    """Where agents play."""
    worlds: int
    play: int
    """Steps in each world."""
    minutes: float | None
    """Processor minutes of an arm where arms get equal time."""


class Study(NamedTuple):
    """One question."""

    name: str
    title: str
    about: str
    """What is compared, and what the paper says."""
    arms: Callable[[Scale], list[Arm]]
    measure: Callable[[Arm, Path, Scale, Say], Result]
    """A trained run in, what it can do out."""
    table: Callable[[dict[str, Result]], str]
    """Results by arm in, lines for people out."""
    draw: Callable[[dict[str, Result], Path], None]
    """Results by arm in, a picture out."""


SCALES = {
    "cpu": Scale(
        name="cpu",
        recipe="tiny",
        settings=(
            "steps=600",
            "telemetry.report=false",
            "model.width=64",
            "model.layers=3",
            "model.heads=2",
            "model.inner=128",
            "cut={}",
        ),
        data="tiny",
        data_settings=(),
        suite="small",
        worlds=128,
        play=512,
        minutes=4.0,
    ),
    "gpu": Scale(
        name="gpu",
        recipe="small",
        settings=("steps=3072", "telemetry.report=false"),
        data="dpd",
        data_settings=(),
        suite="anymdp-16",
        worlds=64,
        play=8192,
        minutes=None,
    ),
    "paper": Scale(
        name="paper",
        recipe="paper",
        settings=("telemetry.report=false",),
        data="d-large",
        data_settings=(),
        suite="anymdp-64",
        worlds=64,
        play=20_000,
        minutes=None,
    ),
}
"""By name: minutes on one core, hours on one GPU, the paper's own sizes."""
