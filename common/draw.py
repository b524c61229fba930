"""A setting that may be drawn: a value, a range or a choice in the recipe, one concrete value per world or sequence."""
# mypy: disable-error-code="no-untyped-def"

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator, ConfigDict, Field, model_validator

from common.config import Settings
from common.kernels import kernel
from common.maths import exp, log
from common.random import below, exponential, uniform

Scalar = bool | int | float | str


class Choice(Settings):
    """One of several values, each equally likely: ``{choice = ["dense", "goal"]}``."""

    choice: tuple[Scalar, ...] = Field(min_length=1)


class LogUniform(Settings):
    """A float whose logarithm is uniform: ``{log_uniform = [0.01, 1.0]}``."""

    log_uniform: tuple[float, float]

    @model_validator(mode="after")
    def _ordered(self) -> "LogUniform":
        low, high = self.log_uniform
        if not 0.0 < low <= high < np.inf:
            raise ValueError(f"log_uniform takes 0 < low <= high, got [{low}, {high}]")
        return self


class Exponential(Settings):
    """An exponential float of a given mean: ``{exponential = 0.01}``."""

    exponential: float = Field(gt=0.0, allow_inf_nan=False)


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
        if not self.low <= self.high:
            raise ValueError(f"a range is [low, high] with low <= high, got [{self.low}, {self.high}]")
        return self


Draw = Scalar | Range | Choice | LogUniform | Exponential
"""``0.1`` | ``[low, high]`` | ``{choice = [..]}`` | ``{log_uniform = [low, high]}`` | ``{exponential = mean}``."""


def real(what: Any) -> Any:
    """Return a drawn setting as one of a real-valued quantity: ``[0, 1]`` then draws floats, not 0 or 1.

    Raises:
        ValueError: It can give something that is not a number.
    """
    wrong = [value for value in extremes(what) if isinstance(value, bool | str)]
    if wrong:
        raise ValueError(f"a number is needed, or a way to draw one, got {wrong[0]!r}")
    if isinstance(what, Range):
        return Range(low=float(what.low), high=float(what.high))
    if isinstance(what, Choice):
        return Choice(choice=tuple(float(value) for value in what.choice))
    return float(what) if isinstance(what, int) else what


def whole(what: Any) -> Any:
    """Return a drawn setting of an integer quantity.

    Raises:
        ValueError: It can give something that is not an integer.
    """
    wrong = [value for value in extremes(what) if isinstance(value, bool) or not isinstance(value, int)]
    if wrong or isinstance(what, LogUniform | Exponential):
        raise ValueError(f"an integer is needed, or a range or choice of integers, got {what!r}")
    return what


def _inside(low: float, high: float) -> Any:
    def check(what: Any) -> Any:
        for value in extremes(what):
            if not low <= value <= high:
                raise ValueError(f"the value must lie in [{low:g}, {high:g}], got {value:g}")
        return what

    return check


Real = Annotated[Draw, AfterValidator(real)]
"""A drawn real number."""
NonNegative = Annotated[Real, AfterValidator(_inside(0.0, np.inf))]
"""A drawn real number >= 0."""
Share = Annotated[Real, AfterValidator(_inside(0.0, 1.0))]
"""A drawn real number in [0, 1]."""


def draw(rng: np.ndarray, what: Any) -> Any:
    """Return one concrete value; plain values draw nothing from ``rng`` (a generator state, ``uint64[1]``)."""
    if isinstance(what, Range):
        if isinstance(what.low, int) and isinstance(what.high, int):
            return what.low + int(below(rng, what.high - what.low + 1))
        return what.low + (what.high - what.low) * float(uniform(rng))
    if isinstance(what, Choice):
        return what.choice[int(below(rng, len(what.choice)))]
    if isinstance(what, LogUniform):
        return float(log_uniform(rng, *what.log_uniform))
    if isinstance(what, Exponential):
        return float(exponential(rng, what.exponential))
    return what


def extremes(what: Any) -> list[Any]:
    """Return the values that bound a drawn setting (an exponential's mean), to check them before anything is drawn."""
    if isinstance(what, Range):
        return [what.low, what.high]
    if isinstance(what, Choice):
        return list(what.choice)
    if isinstance(what, LogUniform):
        return list(what.log_uniform)
    return [what.exponential] if isinstance(what, Exponential) else [what]


# Drawn real numbers as rows of a table, so that a kernel draws them: (code, how many values follow, values ...).
_CONSTANT, _RANGE, _LOG_UNIFORM, _EXPONENTIAL, _CHOICE = range(5)
_CODES: dict[Any, int] = {Range: _RANGE, LogUniform: _LOG_UNIFORM, Exponential: _EXPONENTIAL, Choice: _CHOICE}
CHOICES = 14
"""A choice of numbers in a table has at most so many."""


def table(drawn: Sequence[Any], rows: int) -> np.ndarray:
    """Return real-valued draws as a table for ``draw_reals``, (rows, 2 + CHOICES) float64, filled up with zeros.

    Raises:
        ValueError: A choice has more than ``CHOICES`` values.
    """
    result = np.zeros((rows, 2 + CHOICES))
    for row, what in zip(result, drawn, strict=False):
        values = extremes(what)
        if len(values) > CHOICES:
            raise ValueError(f"a choice of numbers has at most {CHOICES}, got {len(values)}; use a range")
        row[0], row[1], row[2 : 2 + len(values)] = _CODES.get(type(what), _CONSTANT), len(values), values
    return result


@kernel(allocates=False)
def log_uniform(rng, low, high):
    """Return a float64 in [low, high] whose logarithm is uniform."""
    first, last = log(low), log(high)
    return min(max(exp(first + (last - first) * uniform(rng)), low), high)


@kernel(allocates=False)
def draw_reals(rng, rows, out):
    """Draw one value for each row of a table, in order, into ``out``; constants draw nothing from ``rng``."""
    for i in range(rows.shape[0]):
        code, low, high = rows[i, 0], rows[i, 2], rows[i, 3]
        if code == _RANGE:
            out[i] = low + (high - low) * uniform(rng)
        elif code == _LOG_UNIFORM:
            out[i] = log_uniform(rng, low, high)
        elif code == _EXPONENTIAL:
            out[i] = exponential(rng, low)
        elif code == _CHOICE:
            out[i] = rows[i, 2 + below(rng, np.int64(rows[i, 1]))]
        else:
            out[i] = low
