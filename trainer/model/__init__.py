"""The in-context learner: transition tokens in, hidden states out, a policy and a world model read from them."""

from trainer.model.config import ModelConfig
from trainer.model.embedding import Tokens
from trainer.model.model import Model, Prediction, clone_state, replace_rows, select_rows

__all__ = ["Model", "ModelConfig", "Prediction", "Tokens", "clone_state", "replace_rows", "select_rows"]
