"""The benchmark of play: its figures, and that what an agent carries does not grow with its context."""

import json

import pytest

from trainer.evaluation import bench


def test_what_an_agent_carries_does_not_grow(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "CHUNK", 512)
    few = ["--worlds", "8", "--steps", "30", "--context", "6000", "--threads", "1"]
    assert bench.main([*few, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    long = told["long"]
    assert long["early"] == 2048 and long["rows"] >= 6000
    # once played on from, every sequence has a position of its own: 8 bytes a layer
    assert 0 <= long["bytes_late"] - long["bytes_early"] <= 64
    assert told["many"]["steps_per_second"] > 0
    assert told["many"]["worlds"] == told["full"]["worlds"] == 8
    assert told["full"]["filled"] == 512
    assert told["full"]["steps_per_second"] > 0
    assert bench.main(["--worlds", "0"]) == 2
    assert "at least 1" in capsys.readouterr().err
