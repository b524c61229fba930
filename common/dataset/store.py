"""Where a dataset lies: one URL behind a few verbs, none of which ever overwrites an object in place.

An object is staged under ``.staging/<attempt>/``, made durable, and linked to its key exclusively: a key that exists is
whole, and the first writer of a key wins. Local directories only, so far; an object store needs the same verbs.
"""

import contextlib
import itertools
import os
import shutil
import socket
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from common.errors import DataError, UsageError

STAGING = ".staging"


class Store(Protocol):
    """The verbs a dataset needs. Keys are relative paths with ``/``."""

    url: str

    def get(self, key: str) -> bytes:
        """Return an object's bytes; ``FileNotFoundError`` where there is none."""

    def put_new(self, key: str, data: bytes) -> bool:
        """Create an object, durable on return; return False, with nothing written, where the key exists."""

    def put(self, key: str, data: bytes) -> None:
        """Create or replace an object at once (for status only: data are never replaced)."""

    def delete(self, key: str) -> None:
        """Remove an object."""

    def size(self, key: str) -> int | None:
        """Return an object's size in bytes, or None where there is none."""

    def list(self, folder: str) -> list[str]:
        """Return the names of what lies directly in ``folder``, sorted; empty where it does not exist."""

    def free_bytes(self) -> int | None:
        """Return the bytes that can still be written, or None where that is unknown."""

    def sweep(self) -> int:
        """Remove what dead attempts of this host left staged; return how many attempts there were."""

    def close(self) -> None:
        """Remove this attempt's own staging folder."""


def open_store(url: str) -> Store:
    """Return the store behind a URL: a path or ``file://`` URL; nothing is created before something is put.

    Raises:
        UsageError: The scheme is unknown.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        return LocalStore(Path(url))
    if scheme == "file":
        return LocalStore(Path(rest))
    raise UsageError(f"a dataset's URL is a local path or file://..., got {url!r}; other stores are not supported yet")


class LocalStore:
    """A directory on a file system with hard links."""

    def __init__(self, root: Path) -> None:
        self.root = Path(os.path.abspath(root))
        self.url = str(self.root)
        self.attempt = attempt_name()
        self._count = itertools.count()

    def get(self, key: str) -> bytes:
        """Return an object's bytes; ``FileNotFoundError`` where there is none."""
        return (self.root / key).read_bytes()

    def put_new(self, key: str, data: bytes) -> bool:
        """Create an object, durable on return; return False, with nothing written, where the key exists.

        Raises:
            DataError: The file system refused, for example for want of space.
        """
        final = self.root / key
        if final.exists():
            return False
        return self._publish(key, data, durable=True, place=lambda staged: _link(staged, final))

    def put(self, key: str, data: bytes) -> None:
        """Create or replace an object at once (for status only: data are never replaced)."""
        final = self.root / key
        self._publish(key, data, durable=False, place=lambda staged: os.replace(staged, final))

    def _publish(self, key: str, data: bytes, *, durable: bool, place: Callable[[Path], object]) -> bool:
        final = self.root / key
        staged = self.root / STAGING / self.attempt / f"{next(self._count):06d}"
        try:
            _make_folder(staged.parent, durable=False)
            with open(staged, "xb") as file:
                file.write(data)
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            _make_folder(final.parent, durable=durable)
            new = place(staged) is not False
            if durable:
                _sync_folder(final.parent)
        except OSError as error:
            raise DataError(
                f"cannot write {key} ({len(data)} bytes) in {self.root}: {error.strerror or error}; "
                "mend that and give the same command again, what is committed stays"
            ) from error
        finally:
            staged.unlink(missing_ok=True)
        return new

    def delete(self, key: str) -> None:
        """Remove an object."""
        (self.root / key).unlink()

    def size(self, key: str) -> int | None:
        """Return an object's size in bytes, or None where there is none."""
        try:
            return (self.root / key).stat().st_size
        except FileNotFoundError:
            return None

    def list(self, folder: str) -> list[str]:
        """Return the names of what lies directly in ``folder``, sorted; empty where it does not exist."""
        try:
            return sorted(os.listdir(self.root / folder))
        except FileNotFoundError:
            return []

    def free_bytes(self) -> int | None:
        """Return the bytes free on the file system that holds the directory, or will."""
        place = self.root
        while not place.exists():
            place = place.parent
        return shutil.disk_usage(place).free

    def sweep(self) -> int:
        """Remove what dead attempts of this host left staged; return how many attempts there were."""
        dead = [name for name in self.list(STAGING) if name != self.attempt and not _may_live(name)]
        for name in dead:
            shutil.rmtree(self.root / STAGING / name, ignore_errors=True)
        self._drop_staging()
        return len(dead)

    def close(self) -> None:
        """Remove this attempt's own staging folder."""
        shutil.rmtree(self.root / STAGING / self.attempt, ignore_errors=True)
        self._drop_staging()

    def _drop_staging(self) -> None:
        with contextlib.suppress(OSError):  # not there, or another attempt is at work
            (self.root / STAGING).rmdir()


def attempt_name() -> str:
    """Return a name no other attempt has: host, process, the process's start, and a random part."""
    pid = os.getpid()
    return f"{socket.gethostname()}~{pid}~{_started(pid)}~{uuid.uuid4().hex[:8]}"


def _may_live(attempt: str) -> bool:
    """Say whether an attempt's process may still run: always so for other hosts."""
    host, _, rest = attempt.partition("~")
    pid, _, rest = rest.partition("~")
    started = rest.partition("~")[0]
    if host != socket.gethostname() or not pid.isdigit():
        return True
    return _started(int(pid)) == started


def _started(pid: int) -> str:
    """Return when a process started, in clock ticks since boot; '' where there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    return text.rpartition(")")[2].split()[19]


def _link(staged: Path, final: Path) -> bool:
    try:
        os.link(staged, final)
    except FileExistsError:
        return False
    return True


def _make_folder(folder: Path, *, durable: bool) -> None:
    """Make a folder and its parents; where ``durable``, sync the folders that name the new ones."""
    missing = []
    place = folder
    while not place.is_dir():
        missing.append(place)
        place = place.parent
    for place in reversed(missing):
        place.mkdir(exist_ok=True)
        if durable:
            _sync_folder(place.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
