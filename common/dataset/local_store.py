"""A dataset in a directory: an object is staged, made durable, and linked to its key exclusively.

Staged under ``.staging/<attempt>/``, a folder that exists as long as its writer is at work and names host and process.
A key that exists is whole, and the first writer of a key wins. The file system must have hard links.
"""

import contextlib
import itertools
import os
import shutil
import socket
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from common.dataset.verbs import Entry
from common.errors import DataError

STAGING = ".staging"


class LocalStore:
    """A directory on a file system with hard links."""

    def __init__(self, root: Path) -> None:
        self.root = Path(os.path.abspath(root))
        self.url = str(self.root)
        self.attempt = attempt_name()
        self._count = itertools.count()

    def get(self, key: str) -> bytes:
        """Return an object's bytes; ``FileNotFoundError`` where there is none."""
        with self._reading(key):
            return (self.root / key).read_bytes()

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Return ``length`` bytes from ``start`` on, fewer at the end; ``FileNotFoundError`` where there is none."""
        with self._reading(key), open(self.root / key, "rb") as file:
            return os.pread(file.fileno(), length, start)

    @contextlib.contextmanager
    def _reading(self, key: str) -> Iterator[None]:
        try:
            yield
        except NotADirectoryError as error:
            raise FileNotFoundError(*error.args) from error
        except FileNotFoundError:
            raise
        except OSError as error:
            raise DataError(f"cannot read {key} in {self.root}: {error.strerror or error}") from error

    def put_new(self, key: str, data: bytes) -> bool:
        """Create an object, durable on return; return False, with nothing written, where the key exists.

        Raises:
            DataError: The file system refused, for example for want of space.
        """
        final = self.root / key
        if final.exists():
            return False
        return self._publish(key, data, durable=True, place=lambda staged: _link(staged, final))

    def put(self, key: str, data: bytes, *, durable: bool = False) -> None:
        """Create or replace an object at once: for status, and (durable) for repair; data are never replaced else."""
        final = self.root / key
        self._publish(key, data, durable=durable, place=lambda staged: os.replace(staged, final))

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
            with contextlib.suppress(OSError):  # a file system that refuses this, too, must not hide why
                staged.unlink(missing_ok=True)
        return new

    def delete(self, key: str) -> None:
        """Remove an object; nothing happens where there is none."""
        try:
            (self.root / key).unlink(missing_ok=True)
        except OSError as error:
            raise DataError(f"cannot remove {key} in {self.root}: {error.strerror or error}") from error

    def size(self, key: str) -> int | None:
        """Return an object's size in bytes, or None where there is none."""
        try:
            with self._reading(key):
                return (self.root / key).stat().st_size
        except FileNotFoundError:
            return None

    def exists(self, key: str) -> bool:
        """Say whether there is such an object."""
        return self.size(key) is not None

    def list(self, folder: str) -> list[str]:
        """Return the names of what lies directly in ``folder``, sorted; empty where it does not exist."""
        try:
            with self._reading(folder or "the folder itself"):
                return sorted(os.listdir(self.root / folder))
        except FileNotFoundError:
            return []

    def walk(self, folder: str) -> Iterator[Entry]:
        """Yield every object below ``folder``, in no order; none where it does not exist."""
        for place, _, names in os.walk(self.root / folder):
            for name in names:
                path = Path(place, name)
                with contextlib.suppress(FileNotFoundError):  # removed since it was listed
                    facts = path.stat()
                    yield Entry(path.relative_to(self.root).as_posix(), facts.st_size, facts.st_mtime)

    def free_bytes(self) -> int | None:
        """Return the bytes free on the file system that holds the directory, or will."""
        place = self.root
        while not place.exists():
            place = place.parent
        return shutil.disk_usage(place).free

    def sweep(self) -> int:
        """Remove what dead attempts of this host left staged; return how many attempts there were."""
        dead = [name for name in self.list(STAGING) if name != self.attempt and not may_live(name)]
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


def may_live(attempt: str) -> bool:
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
