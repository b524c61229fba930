"""The bench of reading prints a rate for every way, stored and generated."""

import json

from datagen.__main__ import main


def test_it_measures_reading_beside_generating(capsys):
    sets = ["--set", "sequences_per_shard=64", "--set", "length=64"]
    assert main(["bench", "--reading", "tiny", *sets, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert [row["way"].split(",")[0] for row in printed["results"]] == ["generated on the fly", "Zarr", "Zarr", "Zarr"]
    assert all(row["steps_per_second"] > 0 < row["steps_per_cpu_second"] for row in printed["results"])
    assert printed["steps"] == 2 * 64 * 64 and 0 < printed["stored_bytes_per_step"] < printed["raw_bytes_per_step"]
    assert main(["bench", "--reading", "tiny", *sets]) == 0 and "generated on the fly" in capsys.readouterr().out


def test_refusals(capsys):
    assert main(["bench", "--reading", "tinny"]) == 2 and "unknown recipe" in capsys.readouterr().err
    assert main(["bench", "--set", "length=3"]) == 2 and "needs --reading" in capsys.readouterr().err
