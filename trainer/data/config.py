"""How a run's data are opened, ordered, mixed and made ready."""

from typing import Literal

from pydantic import Field, model_validator

from common.config import Settings


class DataConfig(Settings):
    """Settings of the stream; which data they are, the command says."""

    window_shards: int = Field(default=8, ge=1)
    """W: shards among which epoch 0 shuffles."""
    weights: tuple[float, ...] | None = None
    """Of several datasets, each one's share of the samples (relative; kept to 1/1000); None: all alike."""
    workers: int = Field(default=0, ge=0)
    """Processes of each rank that make batches ready; 0: a thread does. Any number gives the same batches."""
    prefetch: int = Field(default=2, ge=1)
    """Batches made ready ahead, by the thread or by each worker."""
    cache_megabytes: int = Field(default=1024, ge=1)
    """Decoded shards kept in memory, per dataset, by each rank or each of its workers."""
    follow: bool = False
    """Train while the dataset is still being written: wait for shards that are not there yet."""
    patience: float = Field(default=3600.0, gt=0)
    """Seconds to wait for a shard before giving up."""
    holes: Literal["refuse", "skip"] = "refuse"
    """Shards that were set aside when the data were made: refuse, or let the next shard stand in for each."""
    extended: Literal["refuse", "ignore", "include"] = "refuse"
    """A dataset that has grown since the run began: refuse to go on, go on with the sequences of then, or take the new
    ones in from now on (then all shards are gone through anew)."""

    @model_validator(mode="after")
    def _weights_count(self) -> "DataConfig":
        if self.weights is not None and not (self.weights and all(weight > 0 for weight in self.weights)):
            raise ValueError(f"weights takes a number over 0 for each dataset, got {list(self.weights)}")
        return self
