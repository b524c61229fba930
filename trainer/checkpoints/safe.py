"""Reading torch.distributed.checkpoint files from anywhere: tensors only, no code.

Their ``.metadata`` is a pickle, and entries of the kind "bytes" are unpickled by torch's own planner: both would
execute what a stranger wrote. Here the metadata may name nothing but the classes it is made of, and bytes are refused.
"""

import io
import pickle
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch.distributed.checkpoint import FileSystemReader
from torch.distributed.checkpoint.default_planner import DefaultLoadPlanner
from torch.distributed.checkpoint.metadata import Metadata, StorageMeta
from torch.distributed.checkpoint.planner import ReadItem

from common.errors import DataError

_ALLOWED = {
    "pathlib": {"PosixPath"},
    "torch": {"Size"},
    "torch.serialization": {"_get_layout"},
    "torch.distributed.checkpoint.metadata": {
        *("Metadata", "MetadataIndex", "StorageMeta", "TensorProperties", "TensorStorageMetadata"),
        *("ChunkStorageMetadata", "_MEM_FORMAT_ENCODING"),
    },
    "torch.distributed.checkpoint.filesystem": {"_StorageInfo"},
}


class _Unpickler(pickle.Unpickler):
    """Finds the classes of checkpoint metadata and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and isinstance(getattr(torch, name, None), torch.dtype):
            return getattr(torch, name)
        if name in _ALLOWED.get(module, ()):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"it names {module}.{name}, which no checkpoint's metadata do")


class SafeReader(FileSystemReader):
    """torch's reader, with metadata that cannot execute code."""

    def read_metadata(self, *args: Any, **kwargs: Any) -> Metadata:
        """Return the checkpoint's metadata.

        Raises:
            DataError: They are damaged, or hold anything but metadata.
        """
        path = Path(str(self.path)) / ".metadata"
        try:
            with path.open("rb") as file:
                metadata = load_metadata(file)
        except OSError as error:
            raise DataError(f"checkpoint {self.path} lacks its metadata: {error}") from error
        except DataError as error:
            raise DataError(f"{path}: {error}") from error
        stored = metadata.storage_meta or StorageMeta()
        stored.load_id = self.load_id
        metadata.storage_meta = stored
        return metadata


class TensorPlanner(DefaultLoadPlanner):
    """torch's strict planner, for tensors alone."""

    def load_bytes(self, read_item: ReadItem, value: io.BytesIO) -> None:
        """Refuse: torch would unpickle them."""
        raise DataError(f"a checkpoint holds tensors only, {read_item.dest_index.fqn} is a pickle: it is not read")


def load_metadata(file: BinaryIO) -> Metadata:
    """Return unpickled checkpoint metadata.

    Raises:
        DataError: It is damaged or names anything but the classes of metadata.
    """
    try:
        metadata = _Unpickler(file).load()
    except Exception as error:
        raise DataError(
            f"these are no checkpoint's metadata: {error}; take another file, this one was not run"
        ) from error
    if not isinstance(metadata, Metadata):
        raise DataError(f"these are no checkpoint's metadata but {type(metadata).__name__}")
    return metadata
