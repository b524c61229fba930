"""Holes: shards that a driver set aside after repeated failures, so that readers need not wait for them forever.

The driver keeps one record, ``status/holes.json``. A hole is open only while its shard has no catalog file: whoever
commits the shard later, closes it.
"""

import json
from collections.abc import Iterable

from common.config import Settings
from common.dataset.store import Store
from common.errors import DataError

KEY = "status/holes.json"


class Hole(Settings):
    """A shard that was given up."""

    shard: int
    cause: str
    """What the last attempt failed of."""
    attempts: int
    time: float
    """Unix seconds at which it was set aside."""


def write_holes(store: Store, holes: Iterable[Hole]) -> None:
    """Replace the record; a driver that tries the shards again writes it without them first.

    Raises:
        DataError: The store cannot be written.
    """
    listed = [hole.model_dump(mode="json") for hole in sorted(holes, key=lambda hole: hole.shard)]
    store.put(KEY, json.dumps({"holes": listed}).encode())


def read_holes(store: Store) -> dict[int, Hole]:
    """Return the recorded holes by shard, those among them whose shard was committed since included.

    Raises:
        DataError: The record is damaged.
    """
    try:
        text = store.get(KEY)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    try:
        return {hole.shard: hole for hole in (Hole(**values) for values in json.loads(text)["holes"])}
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{KEY} of {store.url} is damaged: {error}; it may be removed") from error
