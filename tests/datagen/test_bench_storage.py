"""The storage benchmark measures every codec and pipeline, and what it says of sizes is what is stored."""

import json
from pathlib import Path

from datagen.__main__ import main
from tests.conftest import SMALL


def test_bench_storage(tiny_dataset, capsys):
    sets = [word for override in SMALL for word in ("--set", override)]
    assert main(["bench", "--storage", "tiny", "--json", *sets]) == 0
    facts = json.loads(capsys.readouterr().out)
    rows = {row["codec"]: row for row in facts["bytes_per_step"]}
    assert rows["raw"]["reward"] == 4.0 and rows["raw"]["tag"] == rows["raw"]["action"] == 1.0
    first = {field: Path(tiny_dataset, field, "c", "0", "0").stat().st_size for field in ("observation", "reward")}
    for field, size in first.items():
        assert abs(rows["zstd-1"][field] * 8 * 64 - size) <= 20 + 16  # the index of chunks is not a codec's
    assert [row["pipeline"] for row in facts["pipelines"]] == ["omnirl", "zarr-python", "zarrs"]
    assert all(row["write"] > 0 and row["read"] > 0 for row in facts["pipelines"])
    assert set(facts["seconds_per_shard"]) == {"generate", "encode", "digests", "catalog", "write"}
    assert main(["bench", "--storage", "tiny", *sets]) == 0
    out = capsys.readouterr().out
    assert "| zstd-1 | " in out and "| the original's files |" in out and "verify, stored MB/s a core: quick" in out
