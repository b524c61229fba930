"""One leg: phases one after the other, each in a process of its own with its seconds, and an end that holds.

The deadline is this process's alone, which imports no torch and never touches the device: a phase that is late is asked
to stop (SIGTERM), then killed with all it has started (SIGKILL). A phase that fails or has no time left is named in the
journal, and the leg goes on with the next. SIGTERM to the leg ends the phase under way, writes the share, and ends.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.flagship.scale import SCALES, Scale
from trainer.flagship.state import State

MEASURING = ("compile", "machine", "parity", "pick", "speed", "feed", "trace")
"""Done once on a kind of machine; ``speed`` goes on in later legs where it was not finished."""
ALWAYS = ("train", "evaluate", "demonstrations", "share")
PHASES = (*MEASURING, *ALWAYS)
SMALLEST = 2.0
"""Seconds without which no phase is begun."""
GRACE = {"train": 10.0}
"""Seconds between asking and killing; ``OTHERS`` unless here."""
OTHERS = 3.0
AGAIN = ("speed", "train")
"""Phases that are begun again when they die: they go on behind what killed them, or without it."""
CRASHES = 3
"""Times, at most."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a leg is asked for."""

    minutes: float
    device: str = "cuda"
    scale: str = "full"
    phases: tuple[str, ...] = PHASES
    again: bool = False
    """Measure again what was measured on such a machine."""


class Leg:
    """A leg of a flagship run.

    Args:
        state: Its folder.
        asked: What for.
        say: Told how it goes.
    """

    def __init__(self, state: State, asked: Asked, say: Callable[[str], None] = print) -> None:
        self.state, self.asked, self._say = state, asked, say
        self.scale: Scale = SCALES[asked.scale]  # type: ignore[index]
        self._ends = time.monotonic() + 60.0 * asked.minutes
        self.stopped = False
        self.machine = machine_name(asked.device)

    @property
    def left(self) -> float:
        """Seconds left, the reserve aside."""
        return self._ends - time.monotonic() - self.scale.seconds.reserve

    def run(self) -> int:
        """Do the phases; return the exit code: 1 where one of them failed."""
        before = {number: signal.signal(number, self._told_to_stop) for number in (signal.SIGTERM, signal.SIGINT)}
        self.state.note("leg", machine=self.machine, minutes=self.asked.minutes, phases=list(self.asked.phases))
        failed = []
        compiling = self._start("warm", 600.0, subprocess.DEVNULL)
        try:
            for phase in self.asked.phases:
                if self.stopped and phase != "share":
                    self.state.note("skipped", what=phase, why="told to stop")
                elif not self._phase(phase):
                    failed.append(phase)
        finally:
            _signal(compiling, signal.SIGKILL)
            compiling.wait()
            for number, handler in before.items():
                signal.signal(number, handler)
        over = time.monotonic() - self._ends
        self.state.note("leg-end", seconds_left=-over, failed=failed, stopped=self.stopped)
        self._say(
            f"leg ended with {max(0.0, -over):.0f} s to spare" + (f"; failed: {', '.join(failed)}" if failed else "")
        )
        return 1 if failed else 0

    def _phase(self, name: str) -> bool:
        """Do a phase, as far as there is time; return whether it went well, or was rightly left out."""
        if not self.asked.again and name in MEASURING and self._measured(name):
            self._say(f"{name}: measured before")
            return True
        crashes, seconds = 0, self._seconds(name)
        ends = time.monotonic() + seconds
        while True:
            seconds = min(ends - time.monotonic(), self.left)
            if seconds < SMALLEST:
                self.state.note("skipped", what=name, why=f"{max(0.0, self.left):.1f} s are left of the leg")
                self._say(f"{name}: skipped, {max(0.0, self.left):.1f} s are left of the leg")
                return crashes == 0
            how = self._once(name, seconds)
            if how in ("done", "late") or self.stopped:
                return True
            crashes += 1
            if name not in AGAIN or crashes >= CRASHES:
                return False

    def _once(self, name: str, seconds: float) -> str:
        """Run a phase's process; return ``done``, ``late`` or ``failed``."""
        self._say(f"{name}: {seconds:.0f} s")
        began = time.monotonic()
        self.state.note("phase-begun", phase=name, seconds=round(seconds, 1), machine=self.machine)
        process = self._start(name, seconds, subprocess.PIPE)
        with (self.state.folder / f"{name}.log").open("ab") as log:
            late = self._follow(process, log, began + seconds, GRACE.get(name, OTHERS))
        if process.stdout is not None:
            process.stdout.close()
        code = process.returncode
        how = "late" if late else "done" if code == 0 else "failed"
        took = round(time.monotonic() - began, 1)
        self.state.note("phase", phase=name, how=how, code=code, took=took, machine=self.machine)
        if how != "done":
            self._say(f"{name}: {how} after {took} s, exit code {code}; its log: {self.state.folder / f'{name}.log'}")
        return how

    def _start(self, name: str, seconds: float, out: int) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "trainer.flagship.worker", name, "--state", str(self.state.folder)]
        command += ["--device", self.asked.device, "--scale", self.asked.scale, "--seconds", f"{seconds:.2f}"]
        return subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, start_new_session=True, cwd=Path.cwd())

    def _follow(self, process: "subprocess.Popen[bytes]", log: Any, ends: float, grace: float) -> bool:
        """Pass on what a process says until it ends or has to be ended; return whether it had to."""
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        asked_at: float | None = None
        while process.poll() is None:
            self._pass_on(process, log)
            now = time.monotonic()
            if asked_at is None and (now >= ends or self.stopped):
                asked_at = now
                _signal(process, signal.SIGTERM, group=False)
            elif asked_at is not None and now >= min(asked_at + grace, self._ends - 1.0):
                _signal(process, signal.SIGKILL)
            time.sleep(0.05)
        _signal(process, signal.SIGKILL)  # what it has started and left behind
        self._pass_on(process, log)
        return asked_at is not None and not self.stopped

    def _pass_on(self, process: "subprocess.Popen[bytes]", log: Any) -> None:
        assert process.stdout is not None
        text = process.stdout.read()
        if text:
            log.write(text)
            log.flush()
            self._say(text.decode("utf-8", "replace").rstrip("\n"))

    def _seconds(self, name: str) -> float:
        """Return a phase's seconds: its own, or for training what the phases after it leave."""
        own = self.scale.seconds
        if name != "train":
            return float(getattr(own, name))
        after = [one for one in self.asked.phases[self.asked.phases.index(name) + 1 :] if hasattr(own, one)]
        return self.left - sum(float(getattr(own, one)) for one in after)

    def _measured(self, name: str) -> bool:
        """Return whether such a machine was measured: a late ``speed`` was not."""
        enough = ("done",) if name == "speed" else ("done", "late")
        lines = [line for line in self.state.lines("phase") if line["phase"] == name]
        return any(line["machine"] == self.machine and line["how"] in enough for line in lines)

    def _told_to_stop(self, number: int, frame: Any) -> None:
        self.stopped = True


def _signal(process: "subprocess.Popen[bytes]", number: int, group: bool = True) -> None:
    """Signal a process, or with it all that it has started."""
    try:
        if group:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
    except (ProcessLookupError, PermissionError):
        return


def machine_name(device: str) -> str:
    """Return what kind of machine this is, without touching the device from this process."""
    cores = f"{os.cpu_count()} cores"
    if device == "cpu":
        return f"cpu, {cores}"
    try:
        command: Sequence[str] = ("nvidia-smi", "--query-gpu=name", "--format=csv,noheader")
        names = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.split("\n")
    except (OSError, subprocess.SubprocessError):
        return f"{device}, {cores}"
    return f"{', '.join(name for name in names if name)}, {cores}"
