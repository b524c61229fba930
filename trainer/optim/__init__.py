"""From gradients to parameters: Muon on the blocks' matrices and AdamW on the rest, or AdamW alone; schedules."""

from trainer.optim.config import OptimiserConfig, schedule
from trainer.optim.muon import orthogonalise
from trainer.optim.optimiser import Optimiser

__all__ = ["Optimiser", "OptimiserConfig", "orthogonalise", "schedule"]
