"""Who holds a dataset: one command at a time writes to it, and the next one is told who does and since when.

The holder keeps ``status/holder.json``, created exclusively and renewed every two seconds. One that is dead (on this
machine: its process is gone; elsewhere: its last heartbeat is older than half a minute) is taken over without asking.
Two holders at once, where one was forced, cost time and nothing else: every object of a dataset is created exclusively
and has the same content whoever makes it. The one that lost its hold learns of it at its next heartbeat.
"""

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from pathlib import Path

from common.config import Settings
from common.dataset.status import FOLDER, HEARTBEAT, STALE
from common.dataset.store import Store
from common.errors import DataError, UsageError

KEY = f"{FOLDER}/holder.json"


class Holder(Settings):
    """The content of ``status/holder.json``."""

    token: str
    """Drawn at random: no other holder has it."""
    command: str
    """``run``, ``extend``, ``gc``, ..."""
    host: str
    machine: str
    """Boot and process namespace in which ``pid`` means something."""
    pid: int
    started: str
    """When the process started, in clock ticks since boot."""
    since: float
    """Unix seconds."""
    heartbeat: float
    """Unix seconds of the last renewal."""

    def __str__(self) -> str:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.since))
        return f"`{self.command}`, process {self.pid} on {self.host}, since {when}"


class TakenOver(Exception):
    """Another command holds the dataset now; the argument is its ``Holder``."""

    def __init__(self, holder: Holder) -> None:
        super().__init__(f"taken over by {holder}")
        self.holder = holder


class Holding:
    """The hold of one command on one dataset; a context manager.

    Args:
        store: Where the dataset lies.
        command: Whose hold it is, as a user would name it.
        takeover: Take it from a living holder, too.
        wait: Seconds to wait for a living holder to end or die.

    Raises:
        UsageError: On entering: somebody else holds the dataset; the message says who and since when.
        DataError: On entering: the store cannot be written, or the record is damaged.
    """

    def __init__(self, store: Store, command: str, *, takeover: bool = False, wait: float = 0.0) -> None:
        self._store, self._takeover, self._wait = store, takeover, wait
        now = time.time()
        self._ours = Holder(
            token=uuid.uuid4().hex,
            command=command,
            host=socket.gethostname(),
            machine=_machine(),
            pid=os.getpid(),
            started=_started(os.getpid()) or "",
            since=now,
            heartbeat=now,
        )
        self._stop = threading.Event()
        self._lost: Holder | None = None
        self._thread = threading.Thread(target=self._beat, name="holder", daemon=True)
        self.before: Holder | None = None
        """Whom the hold was taken from."""

    def __enter__(self) -> "Holding":
        deadline = time.monotonic() + self._wait
        while not self._store.put_new(KEY, self._text()):
            theirs = holder(self._store)
            if theirs is None:
                continue  # released in between
            if not self._takeover and not is_dead(theirs):
                if time.monotonic() < deadline:
                    time.sleep(min(1.0, self._wait))
                    continue
                raise UsageError(_refusal(self._store.url, theirs))
            self.before = theirs
            self._store.put(KEY, self._text())
            break
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._thread.join()
        with contextlib.suppress(DataError):  # a hold that cannot be released is a dead one's soon
            if (theirs := holder(self._store)) is not None and theirs.token == self._ours.token:
                self._store.delete(KEY)

    def check(self) -> None:
        """Raise ``TakenOver`` where another command took the hold."""
        if self._lost is not None:
            raise TakenOver(self._lost)

    def _beat(self) -> None:
        while not self._stop.wait(HEARTBEAT):
            try:
                theirs = holder(self._store)
                if theirs is not None and theirs.token != self._ours.token:
                    self._lost = theirs
                    return
                self._ours = self._ours.model_copy(update={"heartbeat": time.time()})
                self._store.put(KEY, self._text())
            except DataError:
                continue  # the store fails: so it does for whoever would take over; the next beat tries again

    def _text(self) -> bytes:
        return json.dumps(self._ours.model_dump(), indent=1).encode()


def holder(store: Store) -> Holder | None:
    """Return who holds a dataset, dead or alive; None where nobody does.

    Raises:
        DataError: The record is damaged, or the store cannot be read.
    """
    try:
        return Holder.model_validate_json(store.get(KEY))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise DataError(f"cannot read {KEY} of {store.url}: {error}") from error
    except ValueError as error:
        raise DataError(f"{KEY} of {store.url} is damaged: {error}; remove it if nobody is at work there") from error


def check_free(store: Store, *, takeover: bool = False, wait: float = 0.0) -> None:
    """Refuse, before anything is touched, what ``Holding`` would refuse.

    Raises:
        UsageError: Somebody else holds the dataset and lives.
        DataError: The record is damaged.
    """
    deadline = time.monotonic() + wait
    while not takeover and (theirs := holder(store)) is not None and not is_dead(theirs):
        if time.monotonic() >= deadline:
            raise UsageError(_refusal(store.url, theirs))
        time.sleep(min(1.0, wait))


def wait_until_free(store: Store) -> None:
    """Return when nobody who lives holds a dataset any more."""
    while (theirs := holder(store)) is not None and not is_dead(theirs):
        time.sleep(HEARTBEAT)


def is_dead(theirs: Holder, now: float | None = None) -> bool:
    """Say whether a holder is known to be dead: never of one that is only slow or stopped on this machine."""
    if theirs.machine == _machine():
        return _started(theirs.pid) != theirs.started
    return (time.time() if now is None else now) - theirs.heartbeat > STALE


def _refusal(url: str, theirs: Holder) -> str:
    age = max(0.0, time.time() - theirs.heartbeat)
    return (
        f"one command at a time writes to a dataset; {url} is held by {theirs}, last heard of {age:.0f} s ago: "
        "stop that one and give this command again, or take over with --takeover (a holder that dies is taken over "
        f"without asking: at once on its own machine, {STALE:.0f} s after its last heartbeat elsewhere)"
    )


def _machine() -> str:
    """Return what tells this boot and process namespace from any other; numbers of processes mean something in it."""
    try:
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return socket.gethostname()


def _started(pid: int) -> str | None:
    """Return when a process started, in clock ticks since boot; None where it is gone, or dead and not yet buried."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None if Path("/proc/self/stat").exists() else _started_elsewhere(pid)
    return None if fields[0] in "ZX" else fields[19]


def _started_elsewhere(pid: int) -> str | None:
    """Do so on a system without ``/proc``: there a number of a process that runs is believed."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return ""
