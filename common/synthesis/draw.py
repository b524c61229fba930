"""A setting that may be drawn: a value, a range or a choice in the recipe, one concrete value per world or sequence."""

from typing import Any

import numpy as np
from pydantic import ConfigDict, model_validator

from common.config import Settings
from common.maths import exp, log
from common.random import below, exponential, uniform

Scalar = bool | int | float | str


class Choice(Settings):
    """One of several values, each equally likely: ``{choice = ["dense", "goal"]}``."""

    choice: tuple[Scalar, ...]


class LogUniform(Settings):
    """A float whose logarithm is uniform: ``{log_uniform = [0.01, 1.0]}``."""

    log_uniform: tuple[float, float]

    @model_validator(mode="after")
    def _ordered(self) -> "LogUniform":
        low, high = self.log_uniform
        if not 0.0 < low <= high:
            raise ValueError(f"log_uniform takes 0 < low <= high, got [{low}, {high}]")
        return self


class Exponential(Settings):
    """An exponential float of a given mean: ``{exponential = 0.01}``."""

    exponential: float


class Range(Settings):
    """Uniform: integers low..high inclusive where both are integers, else a float in [low, high)."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    low: int | float
    high: int | float

    @model_validator(mode="before")
    @classmethod
    def _from_list(cls, value: Any) -> Any:
        if isinstance(value, list | tuple) and len(value) == 2:
            return {"low": value[0], "high": value[1]}
        return value

    @model_validator(mode="after")
    def _ordered(self) -> "Range":
        if self.low > self.high:
            raise ValueError(f"a range is [low, high] with low <= high, got [{self.low}, {self.high}]")
        return self


Draw = Scalar | Range | Choice | LogUniform | Exponential
"""``0.1`` | ``[low, high]`` | ``{choice = [..]}`` | ``{log_uniform = [low, high]}`` | ``{exponential = mean}``."""


def draw(rng: np.ndarray, what: Any) -> Any:
    """Return one concrete value; plain values draw nothing from ``rng`` (a generator state, ``uint64[1]``)."""
    if isinstance(what, Range):
        if isinstance(what.low, int) and isinstance(what.high, int):
            return what.low + int(below(rng, what.high - what.low + 1))
        return what.low + (what.high - what.low) * float(uniform(rng))
    if isinstance(what, Choice):
        return what.choice[int(below(rng, len(what.choice)))]
    if isinstance(what, LogUniform):
        low, high = float(log(what.log_uniform[0])), float(log(what.log_uniform[1]))
        return float(exp(low + (high - low) * float(uniform(rng))))
    if isinstance(what, Exponential):
        return float(exponential(rng, what.exponential))
    return what


def extremes(what: Any) -> list[Any]:
    """Return the values that bound a drawn setting, to check them before anything is drawn."""
    if isinstance(what, Range):
        return [what.low, what.high]
    if isinstance(what, Choice):
        return list(what.choice)
    if isinstance(what, LogUniform):
        return list(what.log_uniform)
    return [] if isinstance(what, Exponential) else [what]
