"""A real head and submitted jobs, as on a cluster: the data are those of the inline run, and nothing is left behind."""

import os
import re
import shutil
import subprocess
import sys
import urllib.request
import venv
import zipfile
from pathlib import Path

import pytest

from common.dataset import open_dataset
from common.dataset.store import open_store
from datagen.holding import holder
from datagen.verify import verify
from tests.conftest import CHECKOUT, LONGER, SMALL, datagen_command
from tests.faults.heads import RAY, Head, wait_until
from tests.faults.ray_runs import actors, committed


@pytest.fixture(scope="module")
def head():
    """A head of two cores on free ports, which leaves no process behind."""
    made = Head()
    made.start()
    wait_until(made.answers, 120, "the head's job server never answered")
    yield made
    made.close()


def submit(head, out, overrides, *options, cwd=CHECKOUT, arguments=()):
    entrypoint = datagen_command("run", "--recipe", "tiny", "--out", str(out), *arguments, overrides=overrides)
    command = [*head.ray, "job", "submit", f"--address={head.jobs}", *options, "--", "python", *entrypoint[1:]]
    return subprocess.run(command, cwd=cwd, env=head.environment, capture_output=True, text=True, timeout=240)


def test_a_submitted_job_gives_the_inline_digest(tmp_path, head, tiny_digest):
    done = submit(head, tmp_path / "d", SMALL, "--working-dir", ".")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "12 of 12 shards committed" in done.stdout and "steps/s" in done.stdout
    assert "\r" not in done.stdout
    report = verify(str(tmp_path / "d"))
    assert report.ok and report.digest == tiny_digest
    again = submit(head, tmp_path / "d", SMALL, "--working-dir", ".")
    assert again.returncode == 0 and "12 of 12 shards are committed already" in again.stdout


def test_a_refused_request_fails_the_job_with_the_reason(head):
    done = submit(head, "relative/folder", SMALL, "--working-dir", ".")
    assert done.returncode != 0 and "absolute path, got 'relative/folder'" in done.stdout + done.stderr


@pytest.fixture
def installed(tmp_path):
    """An environment that has the package from its wheel, and everything else from this one's."""
    source, wheels, place = tmp_path / "source", tmp_path / "wheels", tmp_path / "installed"
    for name in ("common", "datagen", "trainer", "deploy"):
        shutil.copytree(CHECKOUT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(CHECKOUT / name, source)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "-w", str(wheels), str(source)], check=True)
    venv.create(place, with_pip=False)
    python = place / "bin/python"
    site = Path(
        subprocess.check_output([python, "-c", "import site; print(site.getsitepackages()[0])"], text=True)[:-1]
    )
    (wheel,) = wheels.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(site)
    shared = [path for path in sys.path if path.endswith("site-packages")]
    (site / "shared.pth").write_text("\n".join(shared))  # read after the folder itself; its own .pth files are not
    where = subprocess.check_output([python, "-c", "import datagen; print(datagen.__file__)"], text=True, cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(place)
    return str(python)


@pytest.mark.slow
def test_a_job_from_the_installed_package(tmp_path, installed, tiny_digest):
    """Submitted from an empty folder: wheel, recipes in it, and commands are all there is."""
    head = Head(python=installed)
    head.start()
    try:
        wait_until(head.answers, 120, "the head's job server never answered")
        (tmp_path / "empty").mkdir()
        done = submit(head, tmp_path / "d", SMALL, cwd=tmp_path / "empty")
        assert done.returncode == 0, done.stdout + done.stderr
        assert verify(str(tmp_path / "d")).digest == tiny_digest
    finally:
        head.close()


@pytest.mark.slow
def test_a_stopped_job_leaves_no_process_and_goes_on_when_submitted_again(tmp_path, head, undisturbed_digest):
    out = tmp_path / "d"
    overrides = (*LONGER[:1], "sequences_per_shard=96", LONGER[2])
    submitted = submit(head, out, overrides, "--working-dir", ".", "--no-wait", "--submission-id", "stopped")
    assert submitted.returncode == 0, submitted.stderr
    wait_until(lambda: len(committed(out)) >= 5, 120, "no shards")
    pids = actors(out)
    driver = holder(open_store(str(out))).pid
    assert pids and committed(out)
    command = [RAY, "job", "stop", f"--address={head.jobs}", "stopped"]
    assert subprocess.run(command, env=head.environment, capture_output=True, timeout=60).returncode == 0
    left = len(committed(out))
    assert left < 128, "stopped too late to prove anything"
    wait_until(lambda: not runs(driver) and not any(map(runs, pids)), 30, "processes of the job are left")
    assert len(committed(out)) <= left + 2
    again = submit(head, out, overrides, "--working-dir", ".")
    assert again.returncode == 0, again.stdout + again.stderr
    assert f"{len(pids)}" and re.search(r"\d+ of 128 shards are committed already", again.stdout)
    report = verify(str(out))
    assert report.ok and len(open_dataset(str(out)).committed()) == 128
    wait_until(lambda: not any(map(runs, actors(out))), 30, "actors of the job are left")
    lines = [line for line in again.stdout.splitlines() if "shards" in line]
    assert len(lines) < 30, "a log, not a flood"


def runs(number):
    try:
        os.kill(number, 0)
        with open(f"/proc/{number}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.mark.slow
def test_prometheus_sees_the_driver(tmp_path, head):
    out = tmp_path / "d"
    overrides = ("sequences=49152", "sequences_per_shard=96", "length=256")
    submitted = submit(head, out, overrides, "--working-dir", ".", "--no-wait", "--submission-id", "watched")
    assert submitted.returncode == 0, submitted.stderr
    names = ("ray_omnirl_shards", "ray_omnirl_steps_per_second", "ray_omnirl_actors", 'state="committed"')
    wanted = (*names, f'dataset="{out}"')  # not what an earlier job has left there

    def scrape():
        with urllib.request.urlopen(f"http://127.0.0.1:{head.metrics}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        return all(word in text for word in wanted)

    try:
        wait_until(scrape, 120, "the metrics never came")
    finally:
        command = [RAY, "job", "stop", f"--address={head.jobs}", "watched"]
        subprocess.run(command, env=head.environment, capture_output=True, timeout=60)
