"""What the server watches: finds datasets and runs below the given roots and reads what changed.

Every dataset and run gets an id made from its name and a digest of its path. A request can only name an id, which is
looked up among what was found, so no request can reach a path.
"""

import hashlib
import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from common.dataset.store import Store, open_store
from common.errors import DataError, UsageError
from deploy.dashboard.datasets import DatasetSource
from deploy.dashboard.files import LocalFiles, RemoteFiles
from deploy.dashboard.models import Change, Fault, Overview
from deploy.dashboard.runs import DESCRIPTION, METRICS, RunSource
from deploy.dashboard.tail import read_document

RUN_DEPTH = 3
"""Folders below a runs root that are searched for runs."""
FOLDERS_READ = 2000
"""Folders of a root looked into at most in one poll."""
CATCH_UP_ROUNDS = 50
REMOTE_SEARCH = 15
"""Polls between searches of an object store for datasets that are new."""


@dataclass
class Sources:
    """All datasets and runs of a server. One thread polls; answers may be asked from others."""

    data: Sequence[Path | Store]
    runs: Sequence[Path]
    datasets: dict[str, DatasetSource] = field(default_factory=dict)
    training: dict[str, RunSource] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    polls: int = 0
    seconds: float | None = None
    """Of the last poll."""
    _cut: list[Fault] = field(default_factory=list)
    """Roots that are too large to be looked through."""
    _glance: tuple[int, Overview] | None = None

    def poll(self) -> list[Change]:
        """Look for new datasets and runs and read what is new in all; return what changed."""
        begin, now = time.perf_counter(), time.time()
        self._cut = []
        datasets = {key: source for root in self.data for key, source in self._find_data(root)}
        training = {key: source for root in self.runs for key, source in self._find_runs(root)}
        gone = [root for root in (*self.data, *self.runs) if isinstance(root, Path) and not root.is_dir()]
        faults = [Fault(path=str(root), message="does not exist any more") for root in gone] + self._cut
        changes: set[tuple[str, str | None]] = set()
        if (list(datasets), list(training), faults) != (list(self.datasets), list(self.training), self.faults):
            changes.add(("overview", None))
        for key, dataset in datasets.items():
            changes |= {(kind, key) for kind in dataset.poll(now)}
        for key, run in training.items():
            changes |= {(kind, key) for kind in run.poll(now)}
        self.datasets, self.training, self.faults = datasets, training, faults
        self.polls += 1
        self.seconds = time.perf_counter() - begin
        return [Change(kind=kind, id=key, time=now) for kind, key in sorted(changes, key=str)]

    def catch_up(self) -> None:
        """Poll until everything that lies there has been read, within reason."""
        for _ in range(CATCH_UP_ROUNDS):
            self.poll()
            if not self.behind():
                return

    def behind(self) -> list[str]:
        """Return the ids of what lies there and was not read to its end yet."""
        datasets = [key for key, dataset in self.datasets.items() if not dataset.caught_up]
        return datasets + [key for key, run in self.training.items() if not run.caught_up]

    def overview(self) -> Overview:
        """Return everything at a glance, the newest first; one object a poll."""
        if self._glance is None or self._glance[0] != self.polls:
            self._glance = self.polls, self._overview()
        return self._glance[1]

    def _overview(self) -> Overview:
        datasets = [answer for source in self.datasets.values() if (answer := source.summary())]
        runs = [summary for run in self.training.values() if (summary := run.summary())]
        return Overview(
            datasets=sorted(datasets, key=lambda answer: -(answer.updated or 0.0)),
            runs=sorted(runs, key=lambda answer: -(answer.updated or 0.0)),
            data_roots=[str(root) if isinstance(root, Path) else root.url for root in self.data],
            run_roots=[str(root) for root in self.runs],
            faults=self.faults,
            time=time.time(),
        )

    def _find_data(self, root: Path | Store) -> list[tuple[str, DatasetSource]]:
        return self._find_datasets(root) if isinstance(root, Path) else self._find_remote(root)

    def _find_remote(self, root: Store) -> list[tuple[str, DatasetSource]]:
        """Return the dataset at a URL, or those directly below it; what is known already is not looked for again."""
        known = [(key, found) for key, found in self.datasets.items() if found.files.location.startswith(root.url)]
        if known and self.polls % REMOTE_SEARCH:
            return known
        try:
            below = root.list("")
            urls = [root.url] if "zarr.json" in below else [f"{root.url.rstrip('/')}/{name}" for name in below]
            stores = [(url, open_store(url)) for url in urls[:FOLDERS_READ]]
            stores = [(url, store) for url, store in stores if store.exists("zarr.json")]
        except DataError:
            return known
        return [
            (key, self.datasets.get(key) or DatasetSource(key, url.rpartition("/")[2], RemoteFiles(store)))
            for url, store in stores
            for key in [identify(Path(url))]
        ]

    def _find_datasets(self, root: Path) -> list[tuple[str, DatasetSource]]:
        folders = [root] if (root / "zarr.json").exists() else [f for f in _folders(root) if _is_group(f)]
        found = []
        for folder in folders:
            key = identify(folder)
            found.append((key, self.datasets.get(key) or DatasetSource(key, _name(root, folder), LocalFiles(folder))))
        return found

    def _find_runs(self, root: Path) -> list[tuple[str, RunSource]]:
        found = []
        budget = [FOLDERS_READ]
        below = _runs_below(root, RUN_DEPTH, budget)
        if budget[0] < 0:
            message = f"has more than {FOLDERS_READ:,} folders; the rest is not looked into: give a folder further down"
            self._cut.append(Fault(path=str(root), message=message))
        for folder in below:
            key = identify(folder)
            found.append((key, self.training.get(key) or RunSource(key, _name(root, folder), folder)))
        return found


def open_data(values: Sequence[str]) -> list[Path | Store]:
    """Return the places ``--data`` names, folders and object stores.

    Raises:
        UsageError: A folder does not exist, a bucket does not or refuses these credentials, or the scheme is unknown.
        DataError: An object store does not answer.
    """
    roots: list[Path | Store] = []
    for value in values:
        if value.startswith("s3://"):
            roots.append(open_store(value))
        else:
            roots += open_roots([value], "--data")
    return roots


def open_roots(values: Sequence[str], option: str) -> list[Path]:
    """Return the folders an option names, resolved.

    Raises:
        UsageError: One is no local folder.
    """
    roots = []
    for value in values:
        scheme, separator, rest = value.partition("://")
        if separator and scheme != "file":
            raise UsageError(f"{option} takes a local folder or file:// URL, got {value!r}; --data takes s3:// as well")
        folder = Path(rest if separator else value)
        if not folder.is_dir():
            what = "is not a folder" if folder.exists() else "does not exist"
            raise UsageError(f"{option}: {str(folder)!r} {what}; give a folder that exists (it may still be empty)")
        roots.append(folder.resolve())
    return roots


def identify(folder: Path) -> str:
    """Return the id of a folder: its name made plain, and eight digits of its path's digest."""
    plain = re.sub(r"[^a-z0-9]+", "-", folder.name.lower()).strip("-") or "root"
    return f"{plain[:40]}-{hashlib.sha256(str(folder).encode(errors='surrogateescape')).hexdigest()[:8]}"


def _name(root: Path, folder: Path) -> str:
    name = folder.name if folder == root else folder.relative_to(root).as_posix()
    return name.encode(errors="replace").decode()


def _folders(root: Path) -> list[Path]:
    """Return the folders directly below ``root``, links left out, so that nothing outside is reached."""
    try:
        with os.scandir(root) as entries:
            names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    return [root / name for name in sorted(names) if not name.startswith(".")]


def _is_group(folder: Path) -> bool:
    """Say whether a folder is a dataset: a Zarr group, not one of its arrays; an unreadable one counts."""
    if not (folder / "zarr.json").exists():
        return False
    value = read_document(folder / "zarr.json").value
    return value is None or value.get("node_type") == "group"


def _runs_below(folder: Path, depth: int, budget: list[int]) -> list[Path]:
    if (folder / DESCRIPTION).exists() or (folder / METRICS).exists():
        return [folder]
    if (folder / "zarr.json").exists() or depth == 0:
        return []
    found = []
    for child in _folders(folder):
        budget[0] -= 1
        if budget[0] < 0:
            break
        found += _runs_below(child, depth - 1, budget)
    return found
