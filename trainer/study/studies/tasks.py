"""How many worlds: the same number of sequences, from few training worlds to one for each sequence."""

from trainer.study import plain
from trainer.study.arm import Arm, Scale, Study

NUMBERS = {"cpu": (16, 256, 4096), "gpu": (100, 1000, 10_000), "paper": (100, 1000, 10_000)}


def arms(scale: Scale) -> list[Arm]:
    """Return an arm for each number of worlds, and one without a limit."""
    limits: list[tuple[str, str, tuple[str, ...]]] = [
        (f"{number}", f"{number:,} worlds", (f"tasks={number}",)) for number in NUMBERS[scale.name]
    ]
    limits.append(("every", "a world for every sequence", ()))
    return [
        Arm(name, about, scale.recipe, scale.data, scale.settings, (*scale.data_settings, *limit))
        for name, about, limit in limits
    ]


TASKS = Study(
    name="tasks",
    title="how many training worlds",
    about="paper, 128K sequences: gain on unseen worlds 17.9 % from 100 tasks, 38.0 from 1K, 84.4 from 10K, 84.8 from "
    "128K; with 10K or fewer, training on makes unseen worlds worse again",
    arms=arms,
    measure=plain.measure,
    table=plain.table,
    draw=plain.draw,
)
