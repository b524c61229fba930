"""verify: sound data are called sound; a flipped byte, a cut or missing object, a bad catalog file are named."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
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


def rewrite_catalog(folder, shard, footer, rows):
    """Put other rows or sums into a catalog file, checksums and all."""
    text = footer.model_dump_json().encode()
    metadata = {b"omnirl": text, b"omnirl-sha256": hashlib.sha256(text).hexdigest().encode()}
    pq.write_table(rows.replace_schema_metadata(metadata), folder / catalog.name(shard))


def replayed(folder):
    return verify(str(folder), replays=96)


def test_sound_data_are_called_sound(tiny_dataset, tiny_digest, capsys):
    assert main(["verify", tiny_dataset, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert {name: report[name] for name in ("ok", "sequences", "steps", "shards", "digest", "faults")} == {
        "ok": True, "sequences": 96, "steps": 96 * 64, "shards": 12, "digest": tiny_digest, "faults": [],
    }  # fmt: skip
    assert report["stored_bytes"] > 10_000 and report["megabytes_per_second"] > 0.0
    quick = verify(tiny_dataset, quick=True)
    assert quick.ok and quick.digest == tiny_digest and quick.stored_bytes == report["stored_bytes"]
    assert main(["verify", tiny_dataset]) == 0
    out = capsys.readouterr().out
    assert "sound: 12 shards, 96 sequences" in out and "MB/s a core" in out and tiny_digest in out


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
    (fault,) = report.faults
    assert fault.startswith(f"shard 7: object {path.relative_to(copy)} has other bytes than were committed: ")
    assert fault.endswith(f"array {name}, sequences 56..63")  # they share a chunk


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
        named = [fault for fault in report["faults"] if f"shard {shard}:" in fault or f"shard {shard} " in fault]
        assert len(named) == 1 and word in named[0], (shard, report["faults"])
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
    rewrite_catalog(copy, 2, footer.model_copy(update={"objects": tuple(objects)}), rows)
    assert verify(str(copy), quick=True).ok
    (fault,) = verify(str(copy)).faults
    assert fault == "shard 2: object reward/c/2/0 differs from the catalog: array reward, sequences 21"
    assert any("array reward, sequence 21 differs from its replay in rows 1" in f for f in replayed(copy).faults)


def test_replay_makes_the_same_bytes_again(tiny_dataset, capsys):
    assert main(["verify", tiny_dataset, "--quick", "--replay", "7", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] and report["replayed"] == 7
    again = verify(tiny_dataset, quick=True, replays=7, replay_seed=report["replay_seed"])
    assert again.replay_seed == report["replay_seed"]
    assert main(["verify", tiny_dataset, "--quick", "--replay", "1000"]) == 0  # all there are
    assert "replayed 96 sequences" in capsys.readouterr().out


def test_replay_names_shard_array_and_sequence_of_what_no_digest_shows(copy):
    """As if another generator had made them: every digest fits, but the seeds give something else."""
    dataset = open_dataset(str(copy))
    footer, rows = dataset.footer(4), dataset.catalog(4)
    position = rows.schema.get_field_index("oracle_value")
    values = np.array(rows.column("oracle_value").to_pylist())
    values[3] += 1.0
    rewrite_catalog(copy, 4, footer, rows.set_column(position, "oracle_value", pa.array(values)))
    assert verify(str(copy)).ok
    report = replayed(copy)
    assert not report.ok and report.digest is None
    (fault,) = report.faults
    assert fault == "shard 4: the catalog's row of sequence 35 differs from its replay in ['oracle_value']"


def test_a_dataset_of_other_versions_is_not_replayed_but_named(copy, capsys):
    path = copy / "zarr.json"
    document = json.loads(path.read_text())
    document["attributes"]["recipe"]["seed"] = 1  # as if the families had been others
    del document["attributes"]["checksum"]
    path.write_text(json.dumps(document))
    assert main(["verify", str(copy), "--replay", "1"]) == 2
    assert "cannot be replayed here; install omnirl 0.1.0 (commit" in capsys.readouterr().err


def test_attributes_that_were_changed_are_damage(copy, capsys):
    path = copy / "zarr.json"
    path.write_text(path.read_text().replace('"min_gap": 0.15', '"min_gap": 0.25', 1))
    assert main(["verify", str(copy)]) == 1
    assert "zarr.json" in (text := capsys.readouterr().err) and "another checksum" in text


def test_missing_shards_are_one_line(copy):
    for shard in (1, 2, 3, 7):
        (copy / catalog.name(shard)).unlink()
    assert verify(str(copy)).faults == ("shards 1..3, 7 are not committed; run datagen to its end",)


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
