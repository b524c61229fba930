"""How rewards are shown: as stored, or scaled at random in every sequence so that only their order can be trusted."""

from trainer.study import plain
from trainer.study.arm import Arm, Scale, Study

SCALES = {"stored": None, "half-to-double": (0.5, 2.0), "tenth-to-triple": (0.1, 3.0)}


def arms(scale: Scale) -> list[Arm]:
    """Return an arm for each range of the factor."""
    found = []
    for name, span in SCALES.items():
        own = (*scale.settings, *((f"augment.reward_scale=[{span[0]}, {span[1]}]",) if span else ()))
        about = f"times exp(U(log {span[0]}, log {span[1]})) a sequence" if span else "as stored"
        found.append(Arm(name, about, scale.recipe, scale.data, own, scale.data_settings))
    return found


REWARD = Study(
    name="reward",
    title="rewards as stored, or scaled at random",
    about="the paper scales rewards at random and does not say how far; the model sees their symlog",
    arms=arms,
    measure=plain.measure,
    table=plain.table,
    draw=plain.draw,
)
