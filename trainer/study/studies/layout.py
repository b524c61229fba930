"""How a step becomes positions: the transition token beside the paper's four and five, in equal time."""

from typing import get_args

from trainer.model.config import Layout
from trainer.study import plain
from trainer.study.arm import Arm, Scale, Study


def arms(scale: Scale) -> list[Arm]:
    """Return an arm for each layout; equal minutes where the scale has some, else equal steps."""
    timed = scale.minutes is not None
    settings = tuple(s for s in scale.settings if not (timed and s.startswith("steps=")))
    return [
        Arm(
            name,
            name,
            scale.recipe,
            scale.data,
            (*settings, f"model.layout={name}"),
            scale.data_settings,
            scale.minutes,
        )
        for name in get_args(Layout)
    ]


LAYOUT = Study(
    name="layout",
    title="one position a step, or the paper's four and five, in equal time",
    about="paper: four positions a step (its code: podtaw), five with the reward",
    arms=arms,
    measure=plain.measure,
    table=plain.table,
    draw=plain.draw,
)
