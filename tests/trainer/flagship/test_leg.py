"""The deadline holds whatever a phase does; what fails, hangs or is left out is named, and the leg goes on."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from trainer.flagship.leg import Asked, Leg
from trainer.flagship.scale import SMALL
from trainer.flagship.state import State

HANGS = (
    "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
    "open(sys.argv[1], 'a').write(f'{child.pid} '); time.sleep(60)"
)
FAILS = "import sys; print('what went wrong'); sys.exit(3)"
WORKS = "print('well')"


def leg(tmp_path: Path, monkeypatch, programs: dict[str, str], seconds: float, **asked) -> tuple[Leg, list[str]]:
    """Return a leg whose phases are these programs (the others work), one second each."""
    said: list[str] = []
    own = SMALL.seconds.model_copy(update=dict.fromkeys(type(SMALL.seconds).model_fields, 1.0) | {"reserve": 0.5})
    made = Leg(
        State(tmp_path / "state"), Asked(minutes=seconds / 60, device="cpu", scale="small", **asked), said.append
    )
    made.scale = SMALL.model_copy(update={"seconds": own})

    def start(name: str, seconds: float, out: int):
        command = [sys.executable, "-c", programs.get(name, WORKS), str(tmp_path / "pids")]
        return subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)

    monkeypatch.setattr(made, "_start", start)
    monkeypatch.setattr("trainer.flagship.leg.SMALLEST", 0.2)
    monkeypatch.setattr("trainer.flagship.leg.OTHERS", 0.3)
    return made, said


def test_a_phase_that_hangs_is_killed_with_its_children_and_the_next_one_runs(tmp_path, monkeypatch) -> None:
    made, said = leg(tmp_path, monkeypatch, {"machine": HANGS}, 20, phases=("machine", "parity"))
    began = time.monotonic()
    assert made.run() == 0
    assert time.monotonic() - began < 8
    phases = {line["phase"]: line["how"] for line in made.state.lines("phase")}
    assert phases == {"machine": "late", "parity": "done"}
    child = int((tmp_path / "pids").read_text().split()[0])
    time.sleep(0.2)
    stat = Path(f"/proc/{child}/stat")
    assert not stat.exists() or stat.read_text().split()[2] == "Z"
    assert "well" in said


def test_the_deadline_holds_where_everything_hangs(tmp_path, monkeypatch) -> None:
    phases = ("machine", "parity", "pick", "speed", "train", "share")
    made, _ = leg(tmp_path, monkeypatch, dict.fromkeys(phases, HANGS), 4, phases=phases)
    began = time.monotonic()
    made.run()
    assert time.monotonic() - began < 4.5
    assert [line["what"] for line in made.state.lines("skipped")], "what there was no time for is named"
    assert made.state.lines("leg-end")[0]["seconds_left"] > -0.5


def test_a_phase_that_fails_is_named_with_its_log_and_the_leg_ends_with_1(tmp_path, monkeypatch) -> None:
    made, said = leg(tmp_path, monkeypatch, {"parity": FAILS}, 20, phases=("parity", "share"))
    assert made.run() == 1
    assert any("parity: failed" in line and "parity.log" in line for line in said)
    assert "what went wrong" in (made.state.folder / "parity.log").read_text()
    assert made.state.lines("leg-end")[0]["failed"] == ["parity"]


def test_speed_goes_on_behind_a_cell_that_killed_it(tmp_path, monkeypatch) -> None:
    made, _ = leg(tmp_path, monkeypatch, {"speed": FAILS}, 20, phases=("speed",))
    made.run()
    assert len(made.state.lines("phase")) >= 2


def test_what_was_measured_is_not_measured_again_unless_asked(tmp_path, monkeypatch) -> None:
    for again, runs in ((False, 1), (False, 1), (True, 2)):
        made, _ = leg(tmp_path, monkeypatch, {}, 20, phases=("machine",), again=again)
        made.run()
        assert len(made.state.lines("phase")) == runs


def test_told_to_stop_the_share_is_written_and_the_rest_left_out(tmp_path, monkeypatch) -> None:
    made, _ = leg(
        tmp_path, monkeypatch, {"train": "import time; time.sleep(30)"}, 60, phases=("train", "evaluate", "share")
    )
    threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGTERM)).start()
    assert made.run() == 0
    assert [line["phase"] for line in made.state.lines("phase")] == ["train", "share"]
    assert [line["what"] for line in made.state.lines("skipped")] == ["evaluate"]


@pytest.mark.parametrize("left", [30.0, 10.0])
def test_training_gets_what_the_phases_after_it_leave(tmp_path, monkeypatch, left: float) -> None:
    made, _ = leg(tmp_path, monkeypatch, {}, left, phases=("train", "evaluate", "share"))
    assert made._seconds("train") == pytest.approx(left - 0.5 - 2.0, abs=0.2)


def test_a_line_cut_short_by_a_kill_is_passed_over(tmp_path) -> None:
    state = State(tmp_path)
    state.note("one", value=1)
    with (tmp_path / "journal.jsonl").open("a") as file:
        file.write('{"kind": "tw')
    assert [line["kind"] for line in state.lines()] == ["one"]
    state.keep(rate=3.0)
    state.keep(batch=1)
    assert State(tmp_path).settings() == {"rate": 3.0, "batch": 1}
