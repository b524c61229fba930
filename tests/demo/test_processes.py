"""Commands are shown, logged, and gone with everything they started when the demo ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deploy.demo.processes import descendants, kill_survivors, run_logged
from deploy.demo.ray_head import environment, free_ports

ROOT = Path(__file__).parents[2]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_output_goes_to_terminal_and_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    script = "import sys; print('to out'); print('to err', file=sys.stderr); sys.exit(3)"
    log = tmp_path / "logs" / "stage.log"
    for _ in range(2):
        assert run_logged([sys.executable, "-c", script], log, tmp_path, os.environ) == 3
    shown = capfd.readouterr().out
    assert shown.count("to out") == shown.count("to err") == 2
    assert log.read_text().count("to err") == 2 + 2, "the command's own line names it, too"


def test_an_interrupt_ends_the_command_and_what_it_started(tmp_path: Path) -> None:
    child = "import subprocess; p = subprocess.Popen(['sleep', '600']); print(p.pid, flush=True); p.wait()"
    driver = (
        "import os, sys; from pathlib import Path; from deploy.demo.processes import *\n"
        "with terminate_as_interrupt():\n"
        f"    run_logged([sys.executable, '-c', {child!r}], Path({str(tmp_path / 'log')!r}), Path.cwd(), os.environ)"
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        process = subprocess.Popen(
            [sys.executable, "-c", driver], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert process.stdout
        with process.stdout:
            sleeper = int(process.stdout.readline())
            family = descendants(process.pid)
            assert sleeper in family
            process.send_signal(number)
            process.wait(20)
        begin = time.monotonic()
        while any(alive(pid) for pid in family):
            assert time.monotonic() - begin < 5
            time.sleep(0.05)


def test_survivors_are_killed_and_named() -> None:
    script = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(600)"
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert process.stdout
    with process.stdout:
        process.stdout.readline()
        family = {pid: start for pid, start in descendants(os.getpid()).items() if pid == process.pid}
        process.terminate()
        assert kill_survivors(family, 0.3) == [process.pid]
        assert process.wait(5) == -signal.SIGKILL
    assert kill_survivors(family, 0.3) == []


def test_ray_gets_a_token_and_nothing_of_the_users_ray(tmp_path: Path) -> None:
    base = {"PATH": "/bin", "RAY_ADDRESS": "ray://production:10001", "HOME": "/home/me"}
    values = environment(base, tmp_path)
    assert values["PATH"] == f"{tmp_path}{os.pathsep}/bin"
    assert "RAY_ADDRESS" not in values
    assert values["RAY_AUTH_MODE"] == "token"
    assert len(values["RAY_AUTH_TOKEN"]) >= 32
    assert values["RAY_AUTH_TOKEN"] != environment(base, tmp_path)["RAY_AUTH_TOKEN"]
    assert len(set(free_ports(7))) == 7
