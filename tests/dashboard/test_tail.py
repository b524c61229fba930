"""Files that are being written while they are read."""

import json
from pathlib import Path

import pytest

from deploy.dashboard.columns import Columns
from deploy.dashboard.tail import JsonLines, read_document


def test_a_half_written_last_line_waits_for_its_end(tmp_path: Path) -> None:
    lines = JsonLines(tmp_path / "metrics.jsonl")
    assert lines.poll() == []
    lines.path.write_text('{"step": 1}\n{"st')
    assert lines.poll() == [{"step": 1}]
    assert lines.poll() == []
    with open(lines.path, "a") as file:
        file.write('ep": 2}\n')
    assert lines.poll() == [{"step": 2}]
    assert (lines.bad_lines, lines.restarts) == (0, 0)


def test_corrupt_lines_are_named_and_the_rest_is_read(tmp_path: Path) -> None:
    lines = JsonLines(tmp_path / "metrics.jsonl")
    lines.path.write_bytes(b'{"step": 1}\nnoise\n[1]\n\xff\xfe\n\n{"step": 2, "loss": NaN}\n' + b"[" * 100_000 + b"\n")
    assert lines.poll() == [{"step": 1}, {"step": 2, "loss": None}]
    assert lines.bad_lines == 4
    assert [fault.split(" cannot")[0] for fault in lines.faults] == ["line 2", "line 3", "line 4", "line 7"]


def test_a_replaced_file_is_read_from_its_beginning(tmp_path: Path) -> None:
    lines = JsonLines(tmp_path / "metrics.jsonl")
    lines.path.write_text('{"step": 1}\n{"step": 2}\n')
    assert len(lines.poll()) == 2
    other = tmp_path / "new"
    other.write_text('{"step": 7}\n{"step": 8}\n{"step": 9}\n')
    other.rename(lines.path)
    assert [row["step"] for row in lines.poll()] == [7, 8, 9]
    lines.path.write_text("")
    assert lines.poll() == []
    assert lines.restarts == 2


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff", b'"text"'])
def test_a_document_that_is_no_object_is_a_fault(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(content)
    assert read_document(path).value is None
    assert read_document(path).fault


def test_rows_of_a_resumed_run_replace_those_after_its_checkpoint() -> None:
    columns = Columns()
    for step, loss in [(1, 3.0), (2, 2.0), (3, 1.0), (2, 2.5), (4, 0.5)]:
        columns.append({"step": step, "loss": loss})
    assert columns.thinned(10) == {"step": [1, 2, 4], "loss": [3.0, 2.5, 0.5]}


def test_thinning_averages_and_keeps_within_the_points_asked_for() -> None:
    columns = Columns()
    for step in range(1, 1002):
        columns.append({"step": step, "loss": float(step)} | ({"rare": 1.0} if step == 500 else {}))
    thinned = columns.thinned(300)
    assert len(thinned["step"]) == 251
    assert thinned["step"][:2] == [4, 8]
    assert thinned["step"][-1] == 1001
    assert thinned["loss"][0] == 2.5
    assert [value for value in thinned["rare"] if value is not None] == [1.0]
    json.dumps(thinned, allow_nan=False)


def test_a_row_without_a_step_is_refused() -> None:
    with pytest.raises(ValueError, match="numeric 'step', got 'x'"):
        Columns().append({"step": "x", "loss": 1.0})
