"""verify: sound data are called sound; a flipped byte, a cut or missing object, a bad catalog file are named."""

import json
import shutil
from pathlib import Path

import pytest

from common.dataset import catalog, open_dataset, shard_codec
from common.dataset.catalog import StoredObject
from common.synthesis.recipe import identity_digest, load
from datagen.__main__ import main
from datagen.verify import verify
from tests.conftest import SMALL


@pytest.fixture
def copy(tmp_path, tiny_dataset):
    return Path(shutil.copytree(tiny_dataset, tmp_path / "d"))


def test_sound_data_are_called_sound(tiny_dataset, tiny_digest, capsys):
    assert main(["verify", tiny_dataset, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "ok": True, "sequences": 96, "steps": 96 * 64, "shards": 12, "digest": tiny_digest, "faults": [],
    }  # fmt: skip
    assert verify(tiny_dataset, quick=True) == verify(tiny_dataset)


def test_the_stored_recipe_is_the_whole_recipe(tiny_dataset):
    dataset = open_dataset(tiny_dataset)
    assert identity_digest(dataset.recipe) == dataset.identity
    assert dataset.recipe == load("tiny", SMALL)


@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize("name", ["observation", "reward", "oracle"])
def test_a_flipped_byte_is_named(copy, name, quick):
    path = copy / open_dataset(str(copy)).header.arrays()[name].key(7)
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 4
    path.write_bytes(data)
    report = verify(str(copy), quick=quick)
    assert not report.ok and report.digest is None and report.shards == 11
    assert [f"shard 7: object {path.relative_to(copy)}" in fault for fault in report.faults] == [True]


def test_cut_and_missing_objects_and_catalog_files_are_named_together(copy, capsys):
    with open(copy / "action/c/1/0", "r+b") as file:
        file.truncate(50)
    (copy / "tag/c/2/0").unlink()
    (copy / "catalog/shard-000003.parquet").unlink()
    (copy / "catalog/shard-000004.parquet").write_bytes(b"PAR1")
    shutil.copy(copy / "catalog/shard-000006.parquet", copy / "catalog/shard-000005.parquet")
    assert main(["verify", str(copy), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["shards"] == 7 and report["digest"] is None and len(report["faults"]) == 5
    for shard, word in ((1, "action/c/1/0"), (2, "tag/c/2/0"), (3, "committed"), (4, "damaged"), (5, "another")):
        assert any(f"shard {shard} " in fault and word in fault for fault in report["faults"]), (
            shard,
            report["faults"],
        )
    (copy / "reward/zarr.json").unlink()
    assert any("array reward" in fault for fault in verify(str(copy)).faults)


def test_other_data_under_a_fitting_object_digest_is_found_by_decoding_only(copy):
    """As if a writer had gone wrong after the rows were digested."""
    dataset = open_dataset(str(copy))
    spec = dataset.header.arrays()["reward"]
    values = shard_codec.decode(spec, (copy / spec.key(2)).read_bytes())
    values[5, 1] += 1.0
    data = shard_codec.encode(spec, values)
    (copy / spec.key(2)).write_bytes(data)
    footer, rows = dataset.footer(2), dataset.catalog(2)
    objects = [StoredObject.of("reward", spec.key(2), data) if o.array == "reward" else o for o in footer.objects]
    import pyarrow.parquet as pq

    changed = footer.model_copy(update={"objects": tuple(objects)})
    pq.write_table(
        rows.replace_schema_metadata({b"omnirl": changed.model_dump_json().encode()}), copy / catalog.name(2)
    )
    assert verify(str(copy), quick=True).ok
    (fault,) = verify(str(copy)).faults
    assert fault == "shard 2: object reward/c/2/0 differs from the catalog in sequences [21]"


def test_what_is_no_dataset_is_refused(tmp_path, capsys):
    assert main(["verify", str(tmp_path)]) == 2
    assert "holds no dataset" in capsys.readouterr().err


def test_status_counts_what_is_committed(copy, capsys):
    (copy / "catalog/shard-000003.parquet").unlink()
    assert main(["status", str(copy), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["shards"], facts["committed"], facts["steps"]) == (12, 11, 11 * 8 * 64)
    assert facts["writers"] == [] and facts["steps_per_second"] == 0.0 and facts["events"][0]["kind"] == "started"
    assert main(["status", str(copy)]) == 0
    assert "11 of 12 committed" in capsys.readouterr().out
