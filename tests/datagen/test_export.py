"""``export`` and ``import``: the original's record folders, read by a plain reader, there and back; Minari."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from common.dataset import open_dataset
from common.dataset.schema import Tag
from datagen.__main__ import main
from tests.conftest import SMALL

FILES = ("observations", "prompts", "tags", "actions_behavior", "rewards", "actions_label")


def read_record(folder, n_actions=5):
    """Read a record of the original's layout: 20 lines that know nothing of this project."""
    record = {name: np.load(Path(folder) / f"{name}.npy") for name in FILES}
    steps = len(record["rewards"])
    assert all(len(record[name]) == steps + (name == "observations") for name in FILES)
    assert record["rewards"].dtype == np.float32
    assert all(record[name].dtype == np.uint32 for name in FILES if name != "rewards")
    breaks = record["prompts"] == 7
    assert (record["prompts"][~breaks] == 3).all()
    for name in ("actions_behavior", "actions_label"):
        assert (record[name][breaks] == n_actions).all() and (record[name][~breaks] < n_actions).all()
    assert (record["tags"][breaks] == 7).all() and (record["rewards"][breaks] == 0).all()
    return record


def run(*words):
    return main([str(word) for word in words])


@pytest.fixture(scope="module")
def records(tiny_dataset, tmp_path_factory):
    out = tmp_path_factory.mktemp("records") / "npy"
    assert run("export", tiny_dataset, "--to", "npy", "--out", out) == 0
    return out


def test_records_hold_the_data_and_one_observation_more(tiny_dataset, records):
    dataset = open_dataset(tiny_dataset)
    longer = open_dataset("recipe:tiny", [*SMALL[:2], "length=65"])
    assert sorted(path.name for path in records.iterdir()) == [f"record-{n:06d}" for n in range(96)]
    for number in (0, 8, 95):
        record, stored = read_record(records / f"record-{number:06d}"), dataset[number]
        np.testing.assert_array_equal(record["observations"], longer[number]["observation"])
        np.testing.assert_array_equal(record["observations"][:-1], stored["observation"])
        np.testing.assert_array_equal(record["actions_behavior"], stored["action"])
        np.testing.assert_array_equal(record["rewards"], stored["reward"])
        live = stored["action"] < 5
        np.testing.assert_array_equal(record["tags"][live], stored["tag"][live])
        for t in np.flatnonzero(live):
            mask = int(stored["oracle"][3, stored["observation"][t]])
            assert record["actions_label"][t] == (mask & -mask).bit_length() - 1
    beside = json.loads(Path(f"{records}.omnirl.json").read_text())
    assert beside["identity"] == dataset.identity and beside["actions"] == 5


def test_there_and_back(tiny_dataset, records, tmp_path, capsys):
    assert run("import", records, "--out", tmp_path / "back", "--name", "again", "--vocabulary", 16, "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["label"] == "oracle" and (facts["sequences"], facts["length"], facts["actions"]) == (96, 64, 5)
    ours, back = open_dataset(tiny_dataset).read(0, 96), open_dataset(str(tmp_path / "back"))
    theirs = back.read(0, 96)
    for name in ("observation", "action", "reward"):
        np.testing.assert_array_equal(getattr(theirs, name), getattr(ours, name))
    live = ours.action < 5
    np.testing.assert_array_equal(theirs.tag[live], ours.tag[live])
    assert np.isin(theirs.tag[~live], (Tag.TERMINATED, Tag.TRUNCATED)).all()
    np.testing.assert_array_equal((theirs.tag == Tag.TERMINATED) & (ours.tag != Tag.TERMINATED), _never_acted_on(ours))
    # the label of an observation that occurs is one of the optimal actions: the lowest
    for number in range(96):
        for symbol in np.unique(ours.observation[number][live[number]]):
            mask = int(ours.oracle[number, 3, symbol])
            assert int(theirs.oracle[number, 3, symbol]) == mask & -mask
    assert back.header.origin == "imported" and back.header.recipe["imported"]["rules"]
    row = back.catalog(0).to_pylist()[0]
    assert row["family"] == "unknown" and row["seed"] is None and row["oracle_value"] is None
    assert run("verify", tmp_path / "back") == 0 and run("describe", tmp_path / "back") == 0
    assert run("describe", tmp_path / "back", "--sequence", 3, "--png", tmp_path / "s.png") == 0
    assert "the data were imported" in capsys.readouterr().out
    # and the same records again, all but the observation that is not stored
    assert run("export", tmp_path / "back", "--to", "npy", "--out", tmp_path / "two", "--last", "drop") == 0
    for number in (0, 95):
        first, second = (read_record(folder / f"record-{number:06d}") for folder in (records, tmp_path / "two"))
        assert all(np.array_equal(first[name][:63], second[name][:63]) for name in FILES)
    # an interrupted import goes on
    digest = back.digest()
    (tmp_path / "back" / "catalog" / "shard-000000.parquet").unlink()
    victim = tmp_path / "back" / "reward" / "c" / "0" / "0"
    victim.write_bytes(victim.read_bytes()[:-9])
    assert run("verify", tmp_path / "back") == 1
    assert run("import", records, "--out", tmp_path / "back", "--name", "again", "--vocabulary", 16) == 0
    assert open_dataset(str(tmp_path / "back")).digest() == digest


def _never_acted_on(rows):
    """Return the truncated break rows whose observation occurs at no live row: taken for terminal ones."""
    found = np.zeros(rows.action.shape, dtype=bool)
    for number, t in np.argwhere(rows.tag == Tag.TRUNCATED):
        live = rows.action[number] < 5
        found[number, t] = not (rows.observation[number][live] == rows.observation[number, t]).any()
    return found


def test_an_interrupted_export_goes_on_and_others_are_kept_out(tiny_dataset, records, tmp_path, capsys):
    shutil.copytree(records, tmp_path / "npy")
    shutil.copy(f"{records}.omnirl.json", tmp_path / "npy.omnirl.json")
    shutil.rmtree(tmp_path / "npy" / "record-000050")
    before = (tmp_path / "npy" / "record-000001" / "tags.npy").stat().st_mtime_ns
    assert run("export", tiny_dataset, "--to", "npy", "--out", tmp_path / "npy") == 0
    assert (tmp_path / "npy" / "record-000001" / "tags.npy").stat().st_mtime_ns == before
    read_record(tmp_path / "npy" / "record-000050")
    assert run("export", tiny_dataset, "--to", "npy", "--out", tmp_path / "npy", "--count", 3) == 2
    assert "tells of another export" in capsys.readouterr().err
    (tmp_path / "npy.omnirl.json").unlink()
    assert run("export", tiny_dataset, "--to", "npy", "--out", tmp_path / "npy") == 2
    assert "holds something else" in capsys.readouterr().err


def test_recorded_actions_as_labels(tmp_path, capsys):
    sets = [f"--set={override}" for override in ("sequences=4", "sequences_per_shard=2", "length=300")]
    assert run("export", "recipe:ad-eps", *sets, "--to", "npy", "--out", tmp_path / "npy", "--first", 1) == 0
    assert len(list((tmp_path / "npy").iterdir())) == 3
    record = read_record(tmp_path / "npy" / "record-000001")
    np.testing.assert_array_equal(record["actions_label"], record["actions_behavior"])
    assert run("import", tmp_path / "npy", "--out", tmp_path / "d", "--json") == 0
    assert '"label": "action"' in capsys.readouterr().out
    assert run("import", tmp_path / "npy", "--out", tmp_path / "e", "--label", "oracle", "--json") == 0
    assert (open_dataset(str(tmp_path / "e")).read(0, 3).oracle[:, 3].max(axis=1) & 0b11).any()


def _break(record, name, change):
    values = np.load(record / f"{name}.npy")
    np.save(record / f"{name}.npy", change(values))


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        (lambda r: (r / "tags.npy").unlink(), 1, "record-000001/tags.npy cannot be read"),
        (lambda r: (r / "tags.npy").write_bytes(b"junk"), 1, "record-000001/tags.npy cannot be read"),
        (lambda r: _break(r, "rewards", lambda v: v[:-1]), 1, "must have 63 entries|must have 63 or 64 entries"),
        (lambda r: _break(r, "rewards", lambda v: v * np.nan), 1, "must be finite; row 0 is not"),
        (lambda r: _break(r, "observations", lambda v: v.astype(np.float32)), 1, "whole numbers from 0"),
        (lambda r: _break(r, "actions_behavior", lambda v: v + 1), 1, "one in all records"),
        (lambda r: _break(r, "observations", lambda v: np.stack([v, v], 1)), 1, "several tokens a step"),
        (
            lambda r: _break(r, "actions_label", lambda v: np.where(v < 5, np.arange(len(v)) % 5, v)),
            2,
            "--label oracle",
        ),
    ],
    ids=["missing", "damaged", "short", "nan", "float", "break-id", "tokens", "undecided"],
)
def test_a_record_that_is_none_is_named(records, tmp_path, capsys, change, code, message):
    for number in range(2):
        shutil.copytree(records / f"record-{number:06d}", tmp_path / "npy" / f"record-{number:06d}")
    change(tmp_path / "npy" / "record-000001")
    assert run("import", tmp_path / "npy", "--out", tmp_path / "d") == code
    error = capsys.readouterr().err
    assert any(part in error for part in message.split("|")) and not (tmp_path / "d").exists()


def test_refusals(tiny_dataset, records, tmp_path, capsys):
    for command, message in (
        (("import", tmp_path, "--out", tmp_path / "d"), "no folder record-NNNNNN"),
        (("import", records, "--out", tmp_path / "d", "--vocabulary", 3), "--vocabulary must be"),
        (("import", records, "--out", tmp_path / "d", "--sequences-per-shard", 7), "must divide the 96"),
        (("import", records, "--out", tmp_path / "d", "--label", "action"), "at every row; here it is not"),
        (("import", records, "--out", tmp_path / "d", "--actions", 9), "say 5 actions, --actions says 9"),
        (("import", records, "--out", tiny_dataset), "holds another dataset"),
        (("export", tiny_dataset, "--to", "npy", "--out", "s3://b/x"), "local folder"),
        (
            ("export", tiny_dataset, "--to", "npy", "--out", tmp_path / "x", "--first", 96),
            "0..95, asked for those from 96",
        ),
        (("export", tiny_dataset, "--to", "minari", "--out", tmp_path / "x"), "give --id"),
        (("export", tiny_dataset, "--to", "minari", "--out", tmp_path / "x", "--id", "no name"), "takes a Minari name"),
    ):
        assert run(*command) == 2, command
        assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_minari_opens_it(tiny_dataset, tmp_path, monkeypatch, capsys):
    minari = pytest.importorskip("minari")
    where = tmp_path / "minari"
    command = (
        "export",
        tiny_dataset,
        "--to",
        "minari",
        "--id",
        "omnirl/tiny-v0",
        "--out",
        where,
        "--count",
        5,
        "--json",
    )
    assert run(*command) == 0
    facts = json.loads(capsys.readouterr().out)
    monkeypatch.setenv("MINARI_DATASETS_PATH", facts["MINARI_DATASETS_PATH"])
    loaded, rows = minari.load_dataset("omnirl/tiny-v0"), open_dataset(tiny_dataset).read(0, 5)
    assert loaded.total_episodes == facts["episodes"] == (rows.action == 5).sum()
    assert loaded.observation_space.n == 16 and loaded.action_space.n == 5
    metadata = list(loaded.storage.get_episode_metadata(range(loaded.total_episodes)))
    begin, sequence = 0, 0
    for episode, about in zip(loaded.iterate_episodes(), metadata, strict=True):
        options = about["options"] if isinstance(about["options"], dict) else json.loads(about["options"])
        if options["sequence"] != sequence:
            begin, sequence = 0, options["sequence"]
        end = begin + len(episode.rewards)
        assert rows.action[sequence, end] == 5
        np.testing.assert_array_equal(episode.observations, rows.observation[sequence, begin : end + 1])
        np.testing.assert_array_equal(episode.actions, rows.action[sequence, begin:end])
        np.testing.assert_array_equal(episode.rewards.astype(np.float32), rows.reward[sequence, begin:end])
        np.testing.assert_array_equal(episode.infos["tag"], rows.tag[sequence, begin : end + 1])
        assert episode.terminations[-1] == (rows.tag[sequence, end] == Tag.TERMINATED) != episode.truncations[-1]
        begin = end + 1
    assert run(*command) == 2 and "holds something else" in capsys.readouterr().err


def test_hidden_states_and_several_tokens_are_replayed_too(tmp_path, capsys):
    several = "{family='multi-token-pomdp', parameters={n_actions=2, action_tokens=2, observation_tokens=2}}"
    sizes = ("sequences=4", "sequences_per_shard=2", "length=61", "vocabulary=128")
    for name, family, more in (("hidden", "{family='pomdp'}", ()), ("several", several, ("actions=4",))):
        sets = [f"--set={override}" for override in (f"families=[{family}]", *sizes, *more)]
        assert run("export", "recipe:tiny", *sets, "--to", "npy", "--out", tmp_path / name) == 0
        observations = np.load(tmp_path / name / "record-000003" / "observations.npy")
        assert observations.shape == ((62,) if name == "hidden" else (62, 2))
    assert run("import", tmp_path / "several", "--out", tmp_path / "d") == 1
    assert "several tokens a step are not imported" in capsys.readouterr().err


def test_what_is_not_what_the_recipe_gives_is_not_continued(tiny_dataset, tmp_path, capsys):
    shutil.copytree(tiny_dataset, tmp_path / "d")
    root = tmp_path / "d" / "zarr.json"
    group = json.loads(root.read_text())
    group["attributes"]["recipe"]["seed"] = 1
    del group["attributes"]["checksum"]
    root.write_text(json.dumps(group))
    assert run("export", tmp_path / "d", "--to", "npy", "--out", tmp_path / "npy") == 2
    assert "made by other versions of its families" in capsys.readouterr().err
    assert run("export", tmp_path / "d", "--to", "npy", "--out", tmp_path / "npy", "--last", "drop", "--count", 2) == 0
    assert len(read_record(tmp_path / "npy" / "record-000001")["rewards"]) == 63
