"""Models of equal size: by the width of the feed-forward part."""

from trainer import config as configs
from trainer.bench.cell import ACTIONS, VOCABULARY
from trainer.model import Model, ModelConfig


def equal_inner(config: configs.TrainConfig, parameters: int) -> int:
    """Return the inner width of the feed-forward part with which a model has nearest to so many parameters."""
    one, two = parameters_of(config, inner=8), parameters_of(config, inner=16)
    return 8 if two == one else max(8, 8 + 8 * round((parameters - one) / (two - one)))


def parameters_of(config: configs.TrainConfig, **changes: int) -> int:
    """Return the parameters of a recipe's model on the benchmark's vocabulary."""
    size = ModelConfig(vocabulary=VOCABULARY, actions=ACTIONS, **(config.model.model_dump() | changes))
    return Model(size, device="meta").parameter_count()
