"""Datasets in an object store that fails: runs and checks either get through or name the cause, and lose nothing."""

import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest

from common.dataset import catalog, open_dataset
from common.dataset.store import open_store
from datagen.__main__ import main
from datagen.verify import verify
from tests.conftest import CHECKOUT, LONGER, SMALL, datagen_command
from tests.faults.proxy import Proxy
from tests.s3 import SECRET


def run_inline(url: str) -> int:
    sets = [word for override in SMALL for word in ("--set", override)]
    return main(["run", "--recipe", "tiny", "--out", url, "--executor", "inline", *sets])


@pytest.fixture
def stored(s3_url, capsys) -> str:
    assert run_inline(s3_url) == 0
    capsys.readouterr()
    return s3_url


def objects(url: str) -> dict[str, bytes]:
    store = open_store(url)
    return {entry.key: store.get(entry.key) for entry in store.walk("") if not entry.key.startswith("status/")}


@pytest.mark.parametrize("fault", ["refuse", "lose", "slow"])
def test_a_run_gets_through_faults_and_writes_the_same(fault, s3_server, s3_url, tiny_digest, monkeypatch):
    monkeypatch.setenv("OMNIRL_STORE_TIMEOUT", "2")
    every, seconds = (60, 2.5) if fault == "slow" else (6, 0.0)
    with Proxy(s3_server.port, fault, every, seconds) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        assert run_inline(s3_url) == 0
        assert proxy.faults > 1
        before = proxy.faults
        dataset = open_dataset(s3_url)
        rows = dataset.read(0, 96).reward
        report = verify(s3_url)
        assert report.ok and report.digest == tiny_digest
        assert proxy.faults > before
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server.endpoint)
    np.testing.assert_array_equal(open_dataset(s3_url).read(0, 96).reward, rows)
    assert verify(s3_url, replays=3).digest == tiny_digest


def test_a_store_that_is_gone_is_named(s3_server, stored, monkeypatch, capsys):
    monkeypatch.setenv("OMNIRL_STORE_PATIENCE", "0.5")
    with Proxy(s3_server.port) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        dataset = open_dataset(stored)
        dataset.read(0, 1)
        proxy.fault, proxy.every = "refuse", 1
        for command in (["verify", stored], ["status", stored], ["gc", stored]):
            assert main(command) == 1
            assert "does not work: could not" in capsys.readouterr().err
        assert run_inline(stored) == 1
        text = capsys.readouterr().err
        assert "500" in text and "OMNIRL_STORE_PATIENCE" in text and "what is committed stays" in text
        with pytest.raises(Exception, match=r"does not work: could not read catalog/shard-000005"):
            dataset.read(40, 8)


def test_damage_is_named_and_repaired_by_the_same_command(stored, capsys):
    whole = objects(stored)
    store = open_store(stored)
    data = bytearray(whole["reward/c/7/0"])
    data[len(data) // 3] ^= 1
    store.put("reward/c/7/0", bytes(data))
    store.put("tag/c/1/0", whole["tag/c/1/0"][:-9])
    store.delete("action/c/2/0")
    store.delete(catalog.name(4))
    store.put(catalog.name(5), whole[catalog.name(5)][:100])
    assert main(["verify", stored, "--json"]) == 1
    faults = json.loads(capsys.readouterr().out)["faults"]
    assert len(faults) == 5
    for words in ("shard 7: object reward/c/7/0", "tag/c/1/0 has", "action/c/2/0 is missing", "shard 4 is", "shard 5:"):
        assert any(words in fault for fault in faults), words
    assert main(["gc", stored, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["removed_bytes"] > 0
    assert run_inline(stored) == 0
    assert objects(stored) == whole


def test_status_and_plan_know_the_store(stored, capsys):
    assert main(["status", stored, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["committed"] == 12


def wait_for_shards(url: str, count: int, run: subprocess.Popen) -> None:
    deadline = time.monotonic() + 120
    while len(open_store(url).list(catalog.FOLDER)) < count:
        assert time.monotonic() < deadline and run.poll() is None
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["inline", "ray"])
def test_a_server_killed_and_started_again_in_the_middle_of_a_run(s3_server, s3_url, executor, undisturbed_digest):
    arguments = ("run", "--recipe", "tiny", "--out", s3_url, "--executor", executor, "--actors", "2")
    command = datagen_command(*arguments, overrides=LONGER)
    run = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        wait_for_shards(s3_url, 3, run)
        s3_server.kill()
        time.sleep(3)
    finally:
        s3_server.start()
    text, _ = run.communicate(timeout=300)
    if run.returncode != 0:  # then it named the cause, and the same command goes on
        assert run.returncode == 1 and "does not work" in text, text
        assert subprocess.run(command, cwd=CHECKOUT, timeout=300).returncode == 0
    report = verify(s3_url, replays=3)
    assert report.ok and report.digest == undisturbed_digest


@pytest.mark.slow
def test_actors_that_have_no_credentials_of_their_own_get_the_drivers(s3_server, s3_url, tmp_path, tiny_digest):
    """On a cluster the driver's variables are its own: here Ray is started without any and joined with them."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    code = (
        "import os, ray\n"
        "keep = {k: os.environ.pop(k) for k in list(os.environ) if k.startswith('AWS_')}\n"
        "ray.init(address='local', num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level='WARNING')\n"
        "os.environ.update(keep)\n"
        "from datagen.__main__ import main\n"
        "import sys\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    sets = [word for override in SMALL for word in ("--set", override)]
    command = [sys.executable, "-c", code, "run", "--recipe", "tiny", "--out", s3_url, *sets]
    environment = {**bare, **s3_server.environment()}
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert verify(s3_url).digest == tiny_digest
    kept = b"".join(open_store(s3_url).get(entry.key) for entry in open_store(s3_url).walk(""))
    assert SECRET.encode() not in kept  # credentials are written nowhere
