"""Training state and models to and from disk; nothing that is read can execute code."""

from trainer.checkpoints.folder import newest
from trainer.checkpoints.model import export_model, load_model
from trainer.checkpoints.told import told

__all__ = ["export_model", "load_model", "newest", "told"]
