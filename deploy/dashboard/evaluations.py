"""A run's evaluation results: finds results.json files below a run and reads those that changed."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from deploy.dashboard.models import Evaluation, Fault, Scores, Suite
from deploy.dashboard.tail import read_document

NAME = "results.json"
LEFT_OUT = frozenset({"checkpoints", "latest"})
DEPTH = 4
"""Folders below a run that are searched."""


@dataclass
class Evaluations:
    """All results below a run's folder, newest first; a file is read again only when its time or size changed."""

    folder: Path
    _read: dict[str, tuple[tuple[int, int], Evaluation]] = field(default_factory=dict)
    _newest: list[Evaluation] = field(default_factory=list)

    def poll(self) -> list[Evaluation]:
        """Return the evaluations found now: the same list while nothing changed."""
        seen = {}
        for path in _find(self.folder, DEPTH):
            name = path.relative_to(self.folder).as_posix()
            try:
                status = path.stat()
            except OSError:
                continue
            stamp = (status.st_mtime_ns, status.st_size)
            known = self._read.get(name)
            seen[name] = known if known and known[0] == stamp else (stamp, _load(path, name, status.st_mtime))
        if {name: stamp for name, (stamp, _) in seen.items()} != {
            name: stamp for name, (stamp, _) in self._read.items()
        }:
            self._newest = sorted((one for _, one in seen.values()), key=lambda one: (-one.modified, one.path))
        self._read = seen
        return self._newest


def _stamps(read: dict[str, tuple[tuple[int, int], Evaluation]]) -> dict[str, tuple[int, int]]:
    return {name: stamp for name, (stamp, _) in read.items()}


def _find(folder: Path, depth: int) -> list[Path]:
    found = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name == NAME and entry.is_file(follow_symlinks=False):
                    found.append(Path(entry.path))
                elif depth and entry.name not in LEFT_OUT and entry.is_dir(follow_symlinks=False):
                    found += _find(Path(entry.path), depth - 1)
    except OSError:
        return found
    return found


def _load(path: Path, name: str, modified: float) -> Evaluation:
    document = read_document(path)
    faults = [Fault(path=name, message=document.fault)] if document.fault else []
    content = document.value or {}
    families = content.get("families")
    suites = content.get("suites")
    if document.value is not None and not isinstance(suites, dict):
        faults.append(Fault(path=name, message="has no 'suites' object"))
    return Evaluation(
        path=name,
        modified=modified,
        families=[str(family) for family in families] if isinstance(families, list) else [],
        suites={key: _suite(value, name, key, faults) for key, value in _items(suites)},
        faults=faults,
    )


def _suite(value: Any, path: str, suite: str, faults: list[Fault]) -> Suite:
    value = value if isinstance(value, dict) else {}
    baselines = {}
    for name, scores in _items(value.get("baselines")):
        read = _scores(scores, f"{suite}, {name}", path, faults)
        if read:
            baselines[name] = read
    left_out = value.get("left_out")
    count = left_out.get("count") if isinstance(left_out, dict) else None
    return Suite(
        model=_scores(value.get("model"), f"{suite}, model", path, faults),
        baselines=baselines,
        left_out=count if isinstance(count, int) else None,
        paper=value["paper"] if isinstance(value.get("paper"), str) else None,
    )


def _scores(value: Any, what: str, path: str, faults: list[Fault]) -> Scores | None:
    try:
        return Scores.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "scores"
        faults.append(Fault(path=path, message=f"{what}: {where}: {first['msg']}"))
        return None


def _items(value: Any) -> list[tuple[str, Any]]:
    return [(str(key), item) for key, item in value.items()] if isinstance(value, dict) else []
