"""Where a dataset lies: one URL, a local path, ``file://`` or ``s3://bucket/prefix``, behind a few verbs."""

from pathlib import Path
from typing import Any

from common.dataset.local_store import STAGING, LocalStore, attempt_name
from common.dataset.verbs import Entry, Store
from common.errors import UsageError

__all__ = [
    "STAGING",
    "Entry",
    "LocalStore",
    "Store",
    "attempt_name",
    "environment",
    "is_local",
    "open_store",
    "zarr_store",
]


def open_store(url: str) -> Store:
    """Return the store behind a URL; nothing is created before something is put.

    Credentials, region and endpoint of an ``s3://`` URL come from the usual environment variables, see ``s3_store``.

    Raises:
        UsageError: The scheme is unknown; or the bucket does not exist or refuses these credentials.
        DataError: The object store does not answer.
    """
    path = _local_path(url)
    if path is not None:
        return LocalStore(path)
    from common.dataset.s3_store import S3Store

    return S3Store(url)


def environment(url: str) -> dict[str, str]:
    """Return the variables that a process elsewhere needs, beside the URL, to reach the same place; none for a path.

    They hold credentials: hand them over, and write them nowhere.

    Raises:
        UsageError: The scheme is unknown.
    """
    if is_local(url):
        return {}
    from common.dataset import s3_store

    return s3_store.environment()


def zarr_store(url: str) -> Any:
    """Return what ``zarr.open`` takes to read the dataset at a URL.

    Raises:
        UsageError: The scheme is unknown.
    """
    path = _local_path(url)
    if path is not None:
        return str(path)
    from common.dataset.s3_store import zarr_store as remote

    return remote(url)


def is_local(url: str) -> bool:
    """Say whether a URL is a path on this machine.

    Raises:
        UsageError: The scheme is unknown.
    """
    return _local_path(url) is not None


def _local_path(url: str) -> Path | None:
    """Return a URL's path where it is local, None where it is in an object store."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return Path(url)
    if scheme == "file":
        return Path(rest)
    if scheme == "s3":
        return None
    raise UsageError(f"a dataset's URL is a local path, file://... or s3://bucket/path, got {url!r}")
