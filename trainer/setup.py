"""From settings to the sharded objective that a rank trains, with its initial weights."""

from common.errors import UsageError
from trainer.config import TrainConfig
from trainer.data.mixture import Mixture
from trainer.loss import Objective
from trainer.model import Model, ModelConfig
from trainer.on_policy import check_recipe
from trainer.parallel import Ranks, fill, shard
from trainer.sinks import check_sinks
from trainer.validation import recipes_of


def check_settings(config: TrainConfig, mixture: Mixture) -> None:
    """Refuse, before anything is touched, what data or installed packages do not allow.

    Raises:
        UsageError: No unseen worlds can be made, the model cannot play the data's worlds, or a package is missing.
    """
    recipes_of(config, mixture)
    check_recipe(config, mixture)
    check_sinks(config)


def begin_with(initial: Model, size: ModelConfig, where: str) -> tuple[Model, list[str]]:
    """Return the model to begin with, and a line for each setting in which it differs though its weights fit.

    Args:
        initial: What ``--init`` names.
        size: What is asked for.
        where: ``--init`` itself.

    Raises:
        UsageError: Its parameters have other names or shapes; nothing is loaded in part.
    """
    there = {name: tuple(parameter.shape) for name, parameter in initial.named_parameters()}
    wanted = {name: tuple(parameter.shape) for name, parameter in Model(size, device="meta").named_parameters()}
    if there != wanted:
        wrong = sorted(name for name in there.keys() | wanted.keys() if there.get(name) != wanted.get(name))
        shown = "".join(
            f"\n  {n}: {there.get(n, 'missing')} there, {wanted.get(n, 'none')} asked for" for n in wrong[:5]
        )
        raise UsageError(
            f"--init {where} is another model, {len(wrong)} of its parameters do not fit:{shown}\n"
            "give the model's settings it was trained with"
        )
    before, now = initial.config.model_dump(), size.model_dump()
    return initial, [
        f"--init {where}: {key} was {before[key]}, is {now[key]}" for key in now if before[key] != now[key]
    ]


def build(config: TrainConfig, size: ModelConfig, initial: Model | None, ranks: Ranks) -> Objective:
    """Return the objective, sharded over the ranks; no rank ever holds more than its part and one whole tensor.

    Args:
        config: The run's settings.
        size: Of the model.
        initial: Weights to begin with; None: drawn from the run's seed.
        ranks: Everyone.
    """
    objective = Objective(Model(size, device="meta"), config.precision)
    model = objective.model
    model.recompute = config.recompute
    if config.compile:
        model.compile_blocks()
    shard(objective, ranks.mesh, model.blocks if config.parallel.units == "block" else None)
    objective.to_empty(device=ranks.device)
    if initial is None:
        model.initialise(config.seed)
    else:
        fill(model, dict(initial.named_parameters()))
    return objective
