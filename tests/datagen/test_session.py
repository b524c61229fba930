"""Joining a cluster that is not there, and what an actor declares that it needs."""

import os
import socket
import subprocess
import sys

import pytest

from common.dataset.store import open_store
from common.synthesis.recipe import load
from datagen.__main__ import main
from datagen.cluster.session import MESSAGE, _shorten_messages, where
from datagen.holding import holder
from datagen.plan import make_plan
from tests.conftest import CHECKOUT, SMALL


def test_a_cluster_that_does_not_answer_is_named(tmp_path, capsys):
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{one.getsockname()[1]}"
    sets = [word for override in SMALL for word in ("--set", override)]
    assert main(["run", "--recipe", "tiny", "--out", str(tmp_path / "d"), "--address", address, *sets]) == 1
    assert f"no Ray cluster answers at {address}" in capsys.readouterr().err
    assert holder(open_store(str(tmp_path / "d"))) is None, "nobody holds what nobody makes"


def test_an_actor_declares_memory_by_the_size_of_worlds_and_shards():
    small, large = (make_plan(load(name)).actor_bytes() for name in ("tiny", "d-large"))
    longer = make_plan(load("tiny", ("length=4096",))).actor_bytes()
    assert 300e6 < small < longer and small < large < 2e9


@pytest.mark.parametrize("address", ["http://127.0.0.1:8265", "ray://127.0.0.1:10001", "127.0.0.1", "head:", ":6379"])
def test_what_is_no_address_of_a_head_is_refused_before_anything_is_made(tmp_path, capsys, monkeypatch, address):
    command = ["run", "--recipe", "tiny", "--out", str(tmp_path / "d")]
    assert main([*command, "--address", address]) == 2
    assert f"--address is HOST:PORT of a Ray head (6379 unless told otherwise), auto or local, got {address!r}" in (
        capsys.readouterr().err
    )
    monkeypatch.setenv("RAY_ADDRESS", address)
    assert main(command) == 2 and "RAY_ADDRESS is HOST:PORT" in capsys.readouterr().err
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize("address", ["auto", "local", "10.0.0.1:6379", "head.example:6379", "[::1]:6379"])
def test_addresses(address):
    assert where(address) == address


def test_a_file_is_no_place_for_a_dataset(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main(["run", "--recipe", "tiny", "--out", str(tmp_path / "file")]) == 2
    assert "--out is a folder, and" in capsys.readouterr().err


def test_what_ray_tells_every_driver_takes_one_line(capsys):
    from ray._private import worker

    _shorten_messages()
    _shorten_messages()
    message = f"A node died {'x ' * 200}\n\t[state-dump] first\n\t[state-dump] second"
    worker.print_to_stdstream({"lines": [message], "pid": "raylet", "is_err": False}, ignore_prefix=False)
    shown = capsys.readouterr().out
    assert "A node died" in shown and "state-dump" not in shown
    assert shown.count("\n") == 1 and len(shown) < MESSAGE + 50


STRANGER = """
import os, grpc, ray
from datagen.cluster.session import session
from ray.core.generated import gcs_service_pb2 as messages, gcs_service_pb2_grpc as services

def ask(address, *metadata):
    with grpc.insecure_channel(address) as channel:
        nodes = services.NodeInfoGcsServiceStub(channel)
        return len(nodes.GetAllNodeInfo(messages.GetAllNodeInfoRequest(), metadata=metadata, timeout=30).node_info_list)

with session("local", 1):
    address, token = ray.get_runtime_context().gcs_address, os.environ["RAY_AUTH_TOKEN"]
    assert ask(address, ("authorization", f"Bearer {token}")) == 1
    for metadata in ((), (("authorization", "Bearer guessed"),)):
        try:
            ask(address, *metadata)
        except grpc.RpcError as error:
            print(error.code().name)
"""


def test_a_cluster_of_ones_own_lets_nobody_in_where_nothing_was_said(tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "RAY_AUTH_MODE"} | {
        "HOME": str(tmp_path)
    }
    done = subprocess.run(
        [sys.executable, "-c", STRANGER], cwd=CHECKOUT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["UNAUTHENTICATED"] * 2
    assert not (tmp_path / ".ray").exists(), "the account's own token is left alone"
