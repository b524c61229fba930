"""Suites by name: which unseen worlds an agent is evaluated on."""

from common.errors import UsageError
from trainer.evaluation.suites.control import CONTROL
from trainer.evaluation.suites.grids import GRIDS
from trainer.evaluation.suites.sampled import SAMPLED
from trainer.evaluation.suites.suite import TUNING, Suite, TaskSuite
from trainer.evaluation.suites.switch2 import SWITCH

__all__ = ["GROUPS", "SUITES", "TUNING", "Suite", "TaskSuite", "named", "suite"]

SUITES: dict[str, Suite] = {chosen.name: chosen for chosen in (*SAMPLED, *GRIDS, *CONTROL, SWITCH)}
GROUPS = {
    "all": tuple(SUITES),
    "paper": tuple(name for name, chosen in SUITES.items() if chosen.paper is not None),
}
"""Several suites by one name: all there are, and those of the paper's Table 1."""


def suite(name: str) -> Suite:
    """Return a suite by name.

    Raises:
        UsageError: There is none; the message lists those there are.
    """
    if name not in SUITES:
        raise UsageError(
            f"unknown suite {name!r}: known suites are {', '.join(SUITES)}; groups are {', '.join(GROUPS)}"
        )
    return SUITES[name]


def named(names: list[str]) -> list[Suite]:
    """Return suites by name or by group, each once.

    Raises:
        UsageError: There is no such name.
    """
    return [suite(name) for name in dict.fromkeys(each for name in names for each in GROUPS.get(name, (name,)))]
