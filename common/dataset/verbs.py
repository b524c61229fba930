"""What a dataset asks of the place it lies in: a few verbs, none of which ever changes an object in place."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol


class Entry(NamedTuple):
    """An object as a listing tells it."""

    key: str
    size: int
    """Bytes."""
    modified: float
    """Unix seconds, by the store's own clock."""


class Store(Protocol):
    """The verbs a dataset needs. Keys are relative paths with ``/``.

    Every verb raises ``DataError`` where the store refuses or does not answer, and says what was tried for how long.
    """

    url: str
    attempt: str
    """Name of this attempt, which tells it from all others: host, process, its start, a random part."""

    def get(self, key: str) -> bytes:
        """Return an object's bytes; ``FileNotFoundError`` where there is none."""

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Return ``length`` bytes from ``start`` on, fewer at the end; ``FileNotFoundError`` where there is none."""

    def put_new(self, key: str, data: bytes) -> bool:
        """Create an object, durable on return; return False, with nothing written, where the key exists."""

    def put(self, key: str, data: bytes, *, durable: bool = False) -> None:
        """Create or replace an object at once: for status, and (durable) for repair; data are never replaced else."""

    def delete(self, key: str) -> None:
        """Remove an object; nothing happens where there is none."""

    def size(self, key: str) -> int | None:
        """Return an object's size in bytes, or None where there is none."""

    def exists(self, key: str) -> bool:
        """Say whether there is such an object."""

    def list(self, folder: str) -> list[str]:
        """Return the names of what lies directly in ``folder``, sorted; empty where it does not exist."""

    def walk(self, folder: str) -> Iterator[Entry]:
        """Yield every object below ``folder``, in no order; none where it does not exist."""

    def free_bytes(self) -> int | None:
        """Return the bytes that can still be written, or None where that is unknown."""

    def sweep(self) -> int:
        """Remove what dead attempts of this host left staged; return how many attempts there were."""

    def close(self) -> None:
        """Remove this attempt's own staging folder."""
