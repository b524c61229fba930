"""Joining a cluster that is not there, and what an actor declares that it needs."""

import socket

from common.dataset.store import open_store
from common.synthesis.recipe import load
from datagen.__main__ import main
from datagen.holding import holder
from datagen.plan import make_plan
from tests.conftest import SMALL


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
