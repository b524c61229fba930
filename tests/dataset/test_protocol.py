"""The commit protocol: racing writers, leftovers, damage, and what an --out may hold."""

import json
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from common.dataset import catalog, open_dataset
from common.dataset.store import STAGING, LocalStore, attempt_name
from common.dataset.writer import create_dataset, join_dataset
from common.errors import DataError, UsageError
from tests.dataset import made_up
from tests.dataset.races import race_to_create


def write_shard(writer, shard, seed=0):
    arrays = made_up.shard_arrays(writer.header, shard, seed)
    return writer.write_shard(shard, arrays, made_up.shard_rows(writer.header, shard))


def make(folder, **changes):
    writer = create_dataset(str(folder), made_up.header(**changes))
    for shard in range(writer.header.shards):
        write_shard(writer, shard)
    writer.close()
    return open_dataset(str(folder))


def files(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_put_new_is_exclusive_under_a_race(tmp_path):
    stores = [LocalStore(tmp_path) for _ in range(8)]
    race_to_create(stores, keys=20)
    for store in stores:
        store.close()
    assert not (tmp_path / STAGING).exists()


def test_a_second_writer_keeps_what_is_there(tmp_path):
    first = create_dataset(str(tmp_path / "d"), made_up.header())
    second = join_dataset(str(tmp_path / "d"), first.header.identity)
    assert write_shard(first, 1).new
    before = files(tmp_path / "d")
    receipt = write_shard(second, 1)
    assert not receipt.new and files(tmp_path / "d") == before


def test_uncommitted_leftovers_are_kept_where_equal_refused_where_not_and_replaced_where_damaged(tmp_path):
    make(tmp_path / "whole")
    writer = create_dataset(str(tmp_path / "d"), made_up.header())
    write_shard(writer, 0)
    (tmp_path / "d/catalog/shard-000000.parquet").unlink()
    assert writer.committed(0) is False
    assert write_shard(writer, 0).new
    (tmp_path / "d/catalog/shard-000000.parquet").unlink()
    with pytest.raises(DataError, match=r"shard 0: object observation/c/0/0 .* other data"):
        write_shard(writer, 0, seed=1)
    with open(tmp_path / "d/observation/c/0/0", "r+b") as file:
        file.truncate(30)
    assert write_shard(writer, 0).new
    for name in ("observation/c/0/0", "catalog/shard-000000.parquet"):
        assert (tmp_path / "d" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    with open(tmp_path / "d/observation/c/0/0", "r+b") as file:
        file.truncate(30)
    with pytest.raises(DataError, match=r"shard 0: object observation/c/0/0 .* damaged .* is committed; give the same"):
        write_shard(writer, 0)


def test_a_writer_that_slept_looks_at_its_objects_before_it_commits(tmp_path, monkeypatch):
    monkeypatch.setattr("common.dataset.writer.SLEPT", -1.0)
    writer = create_dataset(str(tmp_path / "d"), made_up.header())
    assert write_shard(writer, 0).new
    encode = catalog.encode

    def removed_meanwhile(*arguments):
        (tmp_path / "d/reward/c/1/0").unlink()
        return encode(*arguments)

    monkeypatch.setattr("common.dataset.catalog.encode", removed_meanwhile)
    with pytest.raises(DataError, match=r"shard 1: object reward/c/1/0 .* was removed before its shard was committed"):
        write_shard(writer, 1)
    assert not writer.committed(1)


def test_committed_with_other_data_is_an_error(tmp_path):
    writer = create_dataset(str(tmp_path / "d"), made_up.header())
    write_shard(writer, 0)
    for name, spec in writer.specs.items():
        assert name in spec.key(0)
        (tmp_path / "d" / spec.key(0)).unlink()
    with pytest.raises(DataError, match=r"shard-000000\.parquet .* other data"):
        write_shard(writer, 0, seed=1)


def test_sweep_removes_dead_attempts_only(tmp_path):
    code = "from common.dataset.store import attempt_name; print(attempt_name())"
    dead = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    store = LocalStore(tmp_path)
    for name in (dead, attempt_name(), f"elsewhere~{os.getpid()}~1~abc"):
        (tmp_path / STAGING / name).mkdir(parents=True)
        (tmp_path / STAGING / name / "000000").write_bytes(b"half")
    assert store.sweep() == 1
    assert dead not in store.list(STAGING) and len(store.list(STAGING)) == 2


@pytest.mark.parametrize("name", ["observation", "action", "reward", "tag", "oracle"])
@pytest.mark.parametrize("damage", ["missing", "truncated", "flipped"])
def test_damage_is_named_by_the_reader(tmp_path, name, damage):
    make(tmp_path / "d")
    path = tmp_path / "d" / made_up.header().arrays()[name].key(1)
    data = bytearray(path.read_bytes())
    path.unlink()
    if damage == "truncated":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "flipped":
        data[8] ^= 1
        path.write_bytes(data)
    dataset = open_dataset(str(tmp_path / "d"))
    dataset.read(0, 4)
    with pytest.raises(DataError, match=rf"shard 1 of .*{name}/c/1/0"):
        dataset.read(0, 12)


def test_uncommitted_and_damaged_catalogs_are_named(tmp_path):
    dataset = make(tmp_path / "d")
    (tmp_path / "d/catalog/shard-000002.parquet").unlink()
    assert dataset.committed() == {0, 1}
    with pytest.raises(DataError, match=r"shard 2 of .* is not committed"):
        dataset.read(8, 1)
    with pytest.raises(DataError, match=r"shard 2 of .* is not committed"):
        dataset.digest()
    path = tmp_path / "d/catalog/shard-000001.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"shard 1 of .*shard-000001\.parquet is damaged"):
        dataset.read(4, 1)


def test_another_dataset_is_refused_by_what_differs(tmp_path):
    make(tmp_path / "d")
    before = files(tmp_path / "d")
    other = made_up.header(recipe={"name": "made-up", "seed": 5, "length": 20}, identity="1" * 64)
    with pytest.raises(UsageError, match=r"another dataset.*\n  seed: 0 there, 5 asked for$"):
        create_dataset(str(tmp_path / "d"), other)
    with pytest.raises(UsageError, match="other versions"):
        create_dataset(str(tmp_path / "d"), made_up.header(identity="1" * 64))
    with pytest.raises(UsageError, match="sequences: 12 there, 16 asked for"):
        create_dataset(str(tmp_path / "d"), made_up.header(sequences=16))
    assert files(tmp_path / "d") == before


def test_another_format_version_and_foreign_folders_are_refused(tmp_path):
    make(tmp_path / "d")
    path = tmp_path / "d/zarr.json"
    document = json.loads(path.read_text())
    document["attributes"]["format_version"] = 99
    path.write_text(json.dumps(document))
    for attempt in (
        lambda: open_dataset(str(tmp_path / "d")),
        lambda: create_dataset(str(tmp_path / "d"), made_up.header()),
    ):
        with pytest.raises(UsageError, match="format version 99, this software reads version 1"):
            attempt()
    del document["attributes"]["format"]
    path.write_text(json.dumps(document))
    with pytest.raises(UsageError, match="no dataset of this kind"):
        open_dataset(str(tmp_path / "d"))
    (tmp_path / "home").mkdir()
    (tmp_path / "home/thesis.tex").touch()
    with pytest.raises(UsageError, match=r"thesis\.tex and no zarr\.json"):
        create_dataset(str(tmp_path / "home"), made_up.header())
    assert [p.name for p in (tmp_path / "home").iterdir()] == ["thesis.tex"]
    with pytest.raises(UsageError, match="holds no dataset"):
        open_dataset(str(tmp_path / "nowhere"))
    with pytest.raises(UsageError, match="s3://bucket"):
        open_dataset("ftp://bucket/d")


def test_rows_that_break_the_schema_are_bugs(tmp_path):
    writer = create_dataset(str(tmp_path / "d"), made_up.header())
    arrays, rows = made_up.shard_arrays(writer.header, 0), made_up.shard_rows(writer.header, 0)
    for name, value in (("observation", 6), ("action", 4), ("tag", 10), ("reward", np.nan)):
        wrong = {key: array.copy() for key, array in arrays.items()}
        wrong[name][2, 3] = value
        with pytest.raises(ValueError, match=name):
            writer.write_shard(0, wrong, rows)
    with pytest.raises(ValueError, match="sequences 4 and on"):
        writer.write_shard(1, arrays, rows)
    with pytest.raises(ValueError, match="these differ: \\['colour'\\]"):
        writer.write_shard(0, arrays, [{**row, "colour": 1} for row in rows])
    assert not writer.committed(0)


def test_two_commands_creating_one_dataset_agree(tmp_path):
    for _ in range(5):
        folder = tmp_path / str(_)
        threads = [
            threading.Thread(target=create_dataset, args=(str(folder), made_up.header(provenance={"created": str(n)})))
            for n in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert open_dataset(str(folder)).header.provenance["created"] in "0123"


def test_status_is_written_and_read(tmp_path):
    from common.dataset.status import ShardRecord, StatusWriter, read_status

    store = LocalStore(tmp_path)
    with StatusWriter(store, "inline") as status:
        status.shard_done(ShardRecord(shard=3, seconds=0.5, sequences=4, steps=80))
        status.event("failed", 4, "no luck")
    (file,) = read_status(store)
    assert file.finished and file.kind == "inline" and file.pid == os.getpid() and file.end >= file.begin
    assert [record.shard for record in file.shards] == [3]
    assert [(event.kind, event.shard) for event in file.events] == [("started", None), ("failed", 4)]
    assert json.loads(next((tmp_path / "status").rglob("*.json")).read_text())["from"] == file.begin
