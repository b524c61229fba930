"""Where a dataset's small files lie: a local folder or an object store, behind three verbs that never write."""

import hashlib
import os
import time
from pathlib import Path
from typing import Any, Protocol

from common.dataset.store import Store
from common.errors import DataError
from deploy.dashboard.tail import Document, parse

TAIL = 16_384
"""Bytes from the end of a Parquet file that are read at first; its metadata are seldom more."""
SETTLED = 3.0
"""Seconds; file systems tell times to a few milliseconds, network ones to a second or two."""
Stamp = tuple[float, int]
"""When an object was written (unix seconds) and its bytes: another stamp, another content."""


class Files(Protocol):
    """What the dashboard asks of a dataset's place. Each verb raises ``OSError`` where the place does not answer."""

    location: str

    def list(self, folder: str, depth: int = 0) -> dict[str, Stamp | None]:
        """Return the files below a folder by key relative to it, so many folders deep; None: ask ``stamp``."""

    def stamp(self, key: str) -> Stamp | None:
        """Return a file's stamp, None where there is none."""

    def folder_stamp(self, folder: str) -> float | None:
        """Return when entries last came to or went from a folder; None: list it to know."""

    def read(self, key: str) -> bytes:
        """Return a file's bytes."""

    def part(self, key: str, start: int, length: int) -> bytes:
        """Return bytes of a file from ``start`` on."""


class LocalFiles:
    """A folder. Links are not followed, so nothing outside is reached."""

    def __init__(self, folder: Path) -> None:
        """Look at ``folder``, which need not exist yet."""
        self.folder = folder
        self.location = str(folder)

    def list(self, folder: str, depth: int = 0) -> dict[str, Stamp | None]:
        """Return the files below a folder; those deeper down with their stamps."""
        found: dict[str, Stamp | None] = {}
        try:
            self._scan(self.folder / folder, "", depth, found)
        except (FileNotFoundError, NotADirectoryError):
            return {}
        return found

    def _scan(self, folder: Path, before: str, depth: int, found: dict[str, Stamp | None]) -> None:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False):
                    found[before + entry.name] = self.stamp_of(Path(entry.path)) if before else None
                elif depth and entry.is_dir(follow_symlinks=False):
                    self._scan(Path(entry.path), f"{before}{entry.name}/", depth - 1, found)

    def stamp(self, key: str) -> Stamp | None:
        """Return a file's stamp, None where there is none."""
        return self.stamp_of(self.folder / key)

    def folder_stamp(self, folder: str) -> float | None:
        """Return the folder's own time, once it is old enough to tell apart from what may still come at that time."""
        found = self.stamp_of(self.folder / folder)
        return found[0] if found and time.time() - found[0] > SETTLED else None

    @staticmethod
    def stamp_of(path: Path) -> Stamp | None:
        """Return time and size of a path."""
        try:
            found = path.lstat()
        except OSError:
            return None
        return found.st_mtime_ns / 1e9, found.st_size

    def read(self, key: str) -> bytes:
        """Return a file's bytes."""
        return self.part(key, 0, -1)

    def part(self, key: str, start: int, length: int) -> bytes:
        """Return bytes of a file from ``start`` on; all of them where ``length`` is -1."""
        descriptor = os.open(self.folder / key, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            file.seek(start)
            return file.readall() if length < 0 else file.read(length)


class RemoteFiles:
    """A prefix of an object store; a listing tells all stamps, so an object is fetched only when it changed."""

    def __init__(self, store: Store) -> None:
        """Look at what lies in ``store``."""
        self._store = store
        self.location = store.url
        self._stamps: dict[str, Stamp] = {}

    def list(self, folder: str, depth: int = 0) -> dict[str, Stamp | None]:
        """Return the objects below a folder."""
        found: dict[str, Stamp | None] = {}
        try:
            for entry in self._store.walk(folder):
                key = entry.key[len(folder) + 1 :]
                if key.count("/") <= depth:
                    found[key] = self._stamps[f"{folder}/{key}"] = (entry.modified, entry.size)
        except DataError as error:
            raise OSError(str(error)) from error
        return found

    def stamp(self, key: str) -> Stamp | None:
        """Return what the last listing said of a key; of one that was never listed a stamp of its content."""
        if key in self._stamps:
            return self._stamps[key]
        try:
            content = self.read(key)
        except OSError:
            return None
        return float(int.from_bytes(hashlib.sha256(content).digest()[:6])), len(content)

    def folder_stamp(self, folder: str) -> None:
        """Return None: an object store has no folders."""

    def read(self, key: str) -> bytes:
        """Return an object's bytes."""
        try:
            return self._store.get(key)
        except DataError as error:
            raise OSError(str(error)) from error

    def part(self, key: str, start: int, length: int) -> bytes:
        """Return bytes of an object from ``start`` on."""
        try:
            return self._store.get_range(key, start, length)
        except DataError as error:
            raise OSError(str(error)) from error


def parquet_footer(files: Files, key: str, size: int) -> bytes:
    """Return the end of a Parquet file, which has its metadata: rows are not read, however many there are."""
    start = max(0, size - TAIL)
    end = files.part(key, start, size - start)
    needed = int.from_bytes(end[-8:-4], "little") + 8
    if needed <= len(end) or needed > size:
        return end
    return files.part(key, size - needed, needed)


def document(files: Files, key: str) -> Document:
    """Read a JSON object; a missing, half-written or corrupt file becomes a fault, never an exception."""
    try:
        value: Any = parse(files.read(key))
    except FileNotFoundError:
        return Document(None, "does not exist")
    except OSError as error:
        return Document(None, f"cannot be read: {error.strerror or error}")
    except ValueError as error:
        return Document(None, f"is not valid JSON (half written or corrupt): {error}")
    if not isinstance(value, dict):
        return Document(None, f"must hold a JSON object, holds {type(value).__name__}")
    return Document(value, None)
