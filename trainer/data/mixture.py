"""The data of a run: one dataset or several, checked to fit one model, with what they have in common."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from common.errors import UsageError
from trainer.data.config import DataConfig
from trainer.data.source import VIRTUAL, Source, open_source

POLL = 2.0
"""Seconds between two looks for a dataset that does not exist yet."""


@dataclass(frozen=True)
class Opening:
    """What the command says about its data; small, so that loader workers open the same."""

    urls: tuple[str, ...]
    overrides: tuple[str, ...] = ()
    """Of data recipes."""

    def sources(self, config: DataConfig) -> list[Source]:
        """Open everything anew. Errors as of ``open_source``."""
        return [
            open_source(url, self.overrides if url.startswith(VIRTUAL) or not self._any_virtual else (), config)
            for url in self.urls
        ]

    @property
    def _any_virtual(self) -> bool:
        return any(url.startswith(VIRTUAL) for url in self.urls)


class Mixture:
    """Datasets that one model trains on.

    Args:
        opening: Which.
        config: How they are read, and their shares.

    Raises:
        UsageError: One does not exist, or they do not fit one model.
    """

    def __init__(self, opening: Opening, config: DataConfig) -> None:
        self.opening, self.config = opening, config
        self.sources = opening.sources(config)
        weights = config.weights or (1.0,) * len(self.sources)
        if len(weights) != len(self.sources):
            raise UsageError(
                f"data.weights has a number for each dataset, got {len(weights)} for {len(self.sources)} datasets; "
                "give --data once for each"
            )
        self.weights = tuple(weight / sum(weights) for weight in weights)
        for what in ("length", "actions", "observation_tokens"):
            found = {source.url: getattr(source, what) for source in self.sources}
            if len(set(found.values())) > 1:
                raise UsageError(f"datasets mixed in one run must have the same {what}, got {found}; leave some out")
        first = self.sources[0]
        self.length, self.actions, self.observation_tokens = first.length, first.actions, first.observation_tokens
        self.vocabulary = max(source.vocabulary for source in self.sources)
        """Symbols of the largest."""

    @classmethod
    def of(cls, source: Source, config: DataConfig | None = None) -> "Mixture":
        """Return the mixture of a single source that is open already (its URL must say how to open it again)."""
        mixture = cls.__new__(cls)
        mixture.opening, mixture.config = Opening((source.url,)), config or DataConfig()
        mixture.sources, mixture.weights = [source], (1.0,)
        mixture.length, mixture.actions = source.length, source.actions
        mixture.observation_tokens, mixture.vocabulary = source.observation_tokens, source.vocabulary
        return mixture

    @property
    def shards(self) -> tuple[int, ...]:
        """Shards of each dataset, as far as they are planned by now."""
        return tuple(source.shards for source in self.sources)

    def check(self) -> list[str]:
        """Look whether all that is needed is there; return what a user should know. Errors as of ``Source.check``."""
        return [line for source in self.sources for line in source.check()]

    def facts(self, digests: bool = True) -> list[dict[str, Any]]:
        """Return what run.json says of each dataset; the digest of all its data takes a look at every catalog file."""
        return [
            {
                "url": source.url,
                "weight": weight,
                "identity": source.identity,
                "digest": source.dataset.digest() if digests and _whole(source) else None,
                "sequences": source.shards * source.sequences_per_shard,
                "sequences_per_shard": source.sequences_per_shard,
                "length": source.length,
                "label": source.label,
                "recipe": source.dataset.header.recipe,
            }
            for source, weight in zip(self.sources, self.weights, strict=True)
        ]


def _whole(source: Source) -> bool:
    return source.dataset.stored and source.dataset.complete


def open_mixture(
    urls: Sequence[str], overrides: Sequence[str], config: DataConfig, say: Callable[[str], None]
) -> Mixture:
    """Open the data of a run; with ``data.follow`` wait for what does not exist yet.

    Raises:
        UsageError: A dataset does not exist, or they do not fit one model.
        DataError: One is damaged.
    """
    opening = Opening(tuple(urls), tuple(overrides))
    waited = 0.0
    while True:
        try:
            return Mixture(opening, config)
        except UsageError as error:
            if not config.follow or "holds no dataset" not in str(error) or waited >= config.patience:
                raise
            if waited % 30 < POLL:
                say(f"waiting for a dataset: {error}; waited {waited:.0f} s")
            time.sleep(POLL)
            waited += POLL
