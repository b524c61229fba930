"""``extend``: a dataset grows into what the longer recipe would have given, and its old bytes stay untouched."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import zarr

from common.dataset import open_dataset, open_stored
from datagen.__main__ import main
from tests.conftest import SMALL

LONG = ("sequences=150", *SMALL[1:])


def extend(*arguments):
    return main(["extend", *map(str, arguments), "--executor", "inline"])


@pytest.fixture
def copy(tiny_dataset, tmp_path):
    shutil.copytree(tiny_dataset, tmp_path / "d")
    return tmp_path / "d"


def objects(folder: Path) -> dict[str, bytes]:
    """Return what is stored, status and metadata aside."""
    files = (path for path in folder.rglob("*") if path.is_file() and "status" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files if path.name != "zarr.json"}


def test_it_becomes_what_the_longer_recipe_gives_at_once(copy, tmp_path):
    before, reader = objects(copy), open_dataset(str(copy))
    reader.read(0, 1)
    times = {key: (copy / key).stat().st_mtime_ns for key in before}
    assert extend(copy, "--sequences", "150") == 0
    sets = [word for override in LONG for word in ("--set", override)]
    assert main(["run", "--recipe", "tiny", *sets, "--out", str(tmp_path / "once"), "--executor", "inline"]) == 0
    assert objects(copy) == objects(tmp_path / "once") and len(objects(copy)) > len(before)
    assert times == {key: (copy / key).stat().st_mtime_ns for key in before}  # not even written again
    attributes = [json.loads((folder / "zarr.json").read_text())["attributes"] for folder in (copy, tmp_path / "once")]
    history = attributes[0]["provenance"].pop("extended")
    assert [entry["from_sequences"] for entry in history] == [96]
    apart = {"provenance": None, "checksum": None}  # the checksum covers the provenance
    assert {**attributes[0], **apart} == {**attributes[1], **apart}
    for name in ("observation", "oracle"):
        arrays = [(folder / name / "zarr.json").read_bytes() for folder in (copy, tmp_path / "once")]
        assert arrays[0] == arrays[1]
    assert zarr.open(str(copy), mode="r")["reward"].shape == (152, 64)
    # a reader that was open all the while takes it over
    assert len(reader) == 96 and reader.refresh() >= set(range(12, 19))
    assert len(reader) == 152 and np.array_equal(reader[151]["reward"], open_dataset(str(copy))[151]["reward"])


def test_again_goes_on_and_a_recipe_may_say_it(copy):
    assert extend(copy, "--recipe", "tiny", *(f"--set={override}" for override in LONG)) == 0
    digest = open_dataset(str(copy)).digest()
    (copy / "catalog" / "shard-000018.parquet").unlink()
    assert extend(copy, "--sequences", "152") == 0 and open_dataset(str(copy)).digest() == digest
    assert main(["verify", str(copy)]) == 0


def test_killed_between_the_arrays_and_the_group_it_still_reads(copy, tiny_digest):
    longer = copy.parent / "longer"
    shutil.copytree(copy, longer)
    assert extend(longer, "--sequences", "104") == 0
    for name in open_dataset(str(copy)).header.arrays():
        shutil.copy(longer / name / "zarr.json", copy / name / "zarr.json")
    dataset = open_stored(str(copy))
    dataset.check_arrays()
    assert len(dataset) == 96 and dataset.digest() == tiny_digest
    assert np.array_equal(dataset.read(0, 96).reward, open_dataset(str(longer)).read(0, 96).reward)


def test_run_with_more_sequences_points_to_it(copy, capsys):
    sets = [word for override in LONG for word in ("--set", override)]
    assert main(["run", "--recipe", "tiny", *sets, "--out", str(copy), "--executor", "inline"]) == 2
    assert "sequences: 96 there, 152 asked for" in (error := capsys.readouterr().err) and "datagen extend" in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give --sequences N"),
        (("--sequences", "80"), r"never shrinks.* 96 sequences, asked for 80"),
        (("--sequences", "500", "--set", "seed=3"), "needs --recipe"),
        (
            ("--recipe", "tiny", "--set", "sequences=500", "--set", "length=64", "--set", "seed=3"),
            "seed: 0 there, 3 asked",
        ),
        (("--recipe", "tiny", "--set", "sequences=500"), "length: 64 there, 512 asked for"),
        (("--sequences", "99999999999"), "GB free"),
    ],
)
def test_refused_with_the_reason_and_nothing_touched(copy, capsys, arguments, message):
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    assert extend(copy, *arguments) == 2
    assert re.search(message, capsys.readouterr().err)
    assert before == {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}


def test_nothing_there(tmp_path, capsys):
    assert extend(tmp_path / "none", "--sequences", "9") == 2 and "holds no dataset" in capsys.readouterr().err
    assert extend("recipe:tiny", "--sequences", "9") == 2 and "needs a stored dataset" in capsys.readouterr().err
