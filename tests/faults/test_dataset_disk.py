"""A disk that is full, or a file that may not grow: named, nothing committed lost, and the same command goes on."""

import resource
import subprocess
import time
from pathlib import Path

import pytest

from common.dataset import catalog, open_dataset
from datagen.verify import verify
from tests.conftest import CHECKOUT, LONGER, SMALL, datagen_command


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 24 MB; skipped by name where mounting is not permitted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"needs to mount a small tmpfs, which is not permitted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def command(out: Path) -> list[str]:
    return datagen_command("run", "--recipe", "tiny", "--out", str(out), "--executor", "inline", overrides=LONGER)


def test_a_disk_too_small_is_refused_before_anything_is_touched(small_disk, datagen):
    code, _, errors = datagen("run", "--recipe", "tiny", "--out", str(small_disk / "d"), "--executor", "inline")
    assert code == 2 and "GB free" in errors and "--set sequences=N" in errors
    assert list(small_disk.iterdir()) == []


@pytest.mark.slow
def test_a_disk_that_fills_up_is_named_and_waited_for(small_disk, undisturbed_digest, tmp_path):
    out, log = small_disk / "d", tmp_path / "log"
    with open(log, "w") as file:
        run = subprocess.Popen(command(out), cwd=CHECKOUT, stdout=file, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 120
        while len(list(out.glob("catalog/*"))) < 3:
            assert time.monotonic() < deadline and run.poll() is None, log.read_text()
            time.sleep(0.01)
        with open(small_disk / "filler", "wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(4096))
            except OSError:
                pass
        while "No space left on device" not in log.read_text():
            assert time.monotonic() < deadline and run.poll() is None, log.read_text()
            time.sleep(0.05)
        for shard in sorted(open_dataset(str(out)).committed()):
            open_dataset(str(out)).read(shard * 192, 192)
        (small_disk / "filler").unlink()
        run.wait(timeout=300)
    finally:
        run.kill()
        run.wait()
    if run.returncode != 0:  # it named the cause and ended: the same command goes on
        assert run.returncode == 1, log.read_text()
        assert subprocess.run(command(out), cwd=CHECKOUT, timeout=300).returncode == 0
    report = verify(str(out))
    assert report.ok and report.digest == undisturbed_digest


def test_a_file_that_may_not_grow_is_named_and_the_same_command_goes_on(tmp_path, datagen, tiny_digest):
    """Works where nothing can be mounted: the system lets a file have so many bytes and no more."""
    words = datagen_command(
        "run", "--recipe", "tiny", "--out", str(tmp_path / "d"), "--executor", "inline", overrides=SMALL
    )

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1500, resource.RLIM_INFINITY))

    done = subprocess.run(words, cwd=CHECKOUT, capture_output=True, text=True, timeout=300, preexec_fn=limit)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "File too large" in done.stdout + done.stderr
    assert not list((tmp_path / "d").glob("catalog/*"))
    done = subprocess.run(words, cwd=CHECKOUT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    report = verify(str(tmp_path / "d"))
    assert report.ok and report.digest == tiny_digest
    assert (tmp_path / "d" / catalog.name(0)).exists()
