"""The dataset on disk: schema, store, catalog, writer and reader."""

from typing import Any

__all__ = ["Dataset", "StoredDataset", "open_dataset", "open_stored"]


def __getattr__(name: str) -> Any:
    """Load the reader, with Zarr and pyarrow, only where it is used."""
    if name in __all__:
        from common.dataset import reader

        return getattr(reader, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
