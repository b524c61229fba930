"""How long a context: sequences of several lengths, the same number of rows in a batch and in all."""

from trainer import config as configs
from trainer.study import plain
from trainer.study.arm import Arm, Scale, Study

LENGTHS = {"cpu": (64, 128, 256, 512, 1024), "gpu": (512, 2048, 8192), "paper": (2048, 12_288, 49_152)}
ROWS = {"cpu": 512, "gpu": 8192, "paper": 12_288}
"""Of a sequence, where the recipe's batch holds as it is."""


def arms(scale: Scale) -> list[Arm]:
    """Return an arm for each length."""
    found = []
    for length in LENGTHS[scale.name]:
        batch = max(1, configs.load(scale.recipe, scale.settings).batch * ROWS[scale.name] // length)
        own = (*scale.settings, f"batch={batch}")
        rows = (*scale.data_settings, f"length={length}")
        found.append(Arm(f"{length}", f"sequences of {length:,} rows", scale.recipe, scale.data, own, rows))
    return found


CONTEXT = Study(
    name="context",
    title="how long the sequences are that it trains on",
    about="paper: loss falls about linearly in log(context) to 20K steps, and rises after 80K without longer training",
    arms=arms,
    measure=plain.measure,
    table=plain.table,
    draw=plain.draw,
)
