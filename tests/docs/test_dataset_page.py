"""docs/dataset.md does what it says: its examples run, and its worked example is what the trainer makes of it."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from common.dataset import open_dataset
from common.dataset.catalog import columns
from common.dataset.header import CHECKSUM, Header
from common.dataset.schema import Tag
from tests.docs.examples import run_example
from trainer.tokens import Rows, batch_of

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "dataset.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"<!-- run -->\n```(bash|python)\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def place(tiny_dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    shutil.copytree(tiny_dataset, folder / "data" / "tiny")
    return folder


@pytest.mark.parametrize(("language", "text"), EXAMPLES, ids=[f"{i}-{lang}" for i, (lang, _) in enumerate(EXAMPLES)])
def test_an_example_runs(language, text, place):
    """In the order of the page: later ones read what earlier ones made."""
    run_example(language, text, place)


def test_the_first_example_needs_nothing_of_ours():
    language, text = EXAMPLES[0]
    packages = set(re.findall(r"^\s*(?:import|from) (\w+)", text, re.MULTILINE))
    assert language == "python" and packages == {"zarr", "pyarrow"}


def tables() -> list[list[list[str]]]:
    """Return the page's tables: rows of cells, the header first."""
    blocks = re.findall(r"(?:^\|.*\|\n)+", PAGE, re.MULTILINE)
    cut = [[[cell.strip() for cell in line.strip("|\n").split("|")] for line in block.splitlines()] for block in blocks]
    return [[table[0], *table[2:]] for table in cut]


def table(first: str, second: str) -> list[dict[str, str]]:
    found = [t for t in tables() if t[0][:2] == [first, second]]
    assert len(found) == 1
    return [dict(zip(found[0][0], line, strict=True)) for line in found[0][1:]]


def actions(cell: str) -> list[int]:
    return [int(part) for part in cell.split(",") if part.strip().isdigit()]


@pytest.fixture(scope="module")
def batch():
    lines = table("t", "observation")
    oracle = np.zeros((1, 4, 16), np.uint8)
    for line in lines:
        oracle[0, 3, int(line["observation"])] = sum(1 << a for a in actions(line["optimal"]))
    kinds = {"observation": np.uint8, "action": np.uint8, "reward": np.float32, "tag": np.uint8}
    arrays = {name: np.array([[float(line[name]) for line in lines]]).astype(kind) for name, kind in kinds.items()}
    return batch_of(Rows(**arrays, oracle=oracle), np.array([3]), 16, 5, "oracle")


def test_the_tokens_of_the_worked_example(batch):
    names = {"NONE": {"previous observation": 16, "previous action": 6}, "BREAK": {"previous action": 5}}
    for t, line in enumerate(table("t", "previous observation")):
        token = {
            "previous observation": batch.tokens.previous_observation,
            "previous action": batch.tokens.previous_action,
            "tag": batch.tokens.previous_tag,
            "reward": batch.tokens.reward,
            "observation": batch.tokens.observation,
        }
        for name, tensor in token.items():
            wanted = names[line[name]][name] if line[name] in names else float(line[name])
            assert tensor[0, t].item() == pytest.approx(wanted), (t, name)


def test_the_labels_of_the_worked_example(batch):
    targets = batch.targets
    for t, line in enumerate(table("t", "policy")):
        masks = (targets.policy_mask_BT, targets.observation_mask_BT, targets.reward_mask_BT, targets.break_mask_BT)
        cells = (line["policy"], line["next observation"], line["reward"], line["break"])
        assert [bool(mask[0, t]) for mask in masks] == [cell != "-" for cell in cells], t
        assert torch.nonzero(targets.policy_BTA[0, t]).ravel().tolist() == actions(line["policy"])
        if line["next observation"] != "-":
            assert targets.observation_BT[0, t] == int(line["next observation"])
        if line["reward"] != "-":
            reward = float(line["reward"])
            assert targets.reward_BT[0, t].item() == pytest.approx(np.sign(reward) * np.log1p(abs(reward)))
            assert line["break"] == "-" or targets.break_BT[0, t] == float(line["break"])


def test_the_tables_name_what_there_is(tiny_dataset):
    def words(table: list[dict[str, str]], column: str) -> set[str]:
        return {word for line in table for word in re.findall(r"`(\w+)`", line[column])}

    assert words(table("column", "meaning"), "column") == {*columns(), "digest"}
    assert words(table("attribute", "meaning"), "attribute") == {*Header.model_fields, CHECKSUM}
    tags = {int(n) for line in table("tag", "the action was chosen by") for n in re.findall(r"\d+", line["tag"])}
    assert tags == {int(tag) for tag in Tag}
    tree = re.findall(r"^    <dataset>/(\w+) +\(sequence", PAGE, re.MULTILINE)
    assert {*open_dataset(tiny_dataset).header.arrays(), "state"} == set(tree)
