"""Running a command in front of the user: its output to the terminal and to a log, its end on Ctrl-C."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

PATIENCE = 30.0
"""Seconds an interrupted command has to save what it has, before it is killed."""


def run_logged(command: Sequence[str], log: Path, folder: Path, environment: Mapping[str, str]) -> int:
    """Run a command in ``folder``; show its output, append it to ``log``, return its exit code.

    Ctrl-C reaches the command once, and it may take ``PATIENCE`` seconds to end in order; nothing of it outlives this.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "ab") as file:
        file.write(f"\n$ {' '.join(command)}\n".encode())
        file.flush()
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert process.stdout
        try:
            while block := os.read(process.stdout.fileno(), 1 << 16):
                file.write(block)
                file.flush()
                sys.stdout.buffer.write(block)
                sys.stdout.buffer.flush()
            return process.wait()
        finally:
            process.stdout.close()
            end_group(process)


def end_group(process: subprocess.Popen[bytes], patience: float = PATIENCE) -> None:
    """End a command that leads its own session: an interrupt first, then a kill for what is left of it."""
    if process.poll() is None:
        _signal_group(process.pid, signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
    _signal_group(process.pid, signal.SIGKILL)
    process.wait()


def _signal_group(leader: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)


@contextlib.contextmanager
def terminate_as_interrupt() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end things as Ctrl-C does, so that whatever is cleaned up is cleaned up then, too.

    A shell starts background jobs with SIGINT ignored, which their children inherit: it counts again in here.
    """

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, interrupt) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def descendants(pid: int) -> dict[int, str]:
    """Return a process's children, their children and so on: when each started, by number; empty without /proc."""
    children: dict[int, list[int]] = {}
    started = {}
    for entry in Path("/proc").glob("[0-9]*"):
        facts = _facts(int(entry.name))
        if facts:
            children.setdefault(facts[0], []).append(int(entry.name))
            started[int(entry.name)] = facts[1]
    found: dict[int, str] = {}
    open_ends = [pid]
    while open_ends:
        for child in children.get(open_ends.pop(), []):
            if child not in found:
                found[child] = started[child]
                open_ends.append(child)
    return found


def kill_survivors(processes: Mapping[int, str], patience: float) -> list[int]:
    """Wait for processes to end, kill those that do not; return the ones killed."""
    limit = time.monotonic() + patience
    while (left := _living(processes)) and time.monotonic() < limit:
        time.sleep(0.2)
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return left


def _living(processes: Mapping[int, str]) -> list[int]:
    return [pid for pid, started in processes.items() if (facts := _facts(pid)) and facts[1] == started]


def _facts(pid: int) -> tuple[int, str] | None:
    """Return parent and start time of a process; None where there is none or only its exit code is left."""
    try:
        state, parent, *rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return None
    return None if state in "ZX" else (int(parent), rest[17])
