"""Export to a Minari dataset: an episode an episode, opened by ``minari.load_dataset``; needs the extra ``minari``.

Minari knows no sequences of episodes: each episode carries its sequence's number, and its place in it, among its
``options``, and per step ``infos`` with ``tag`` and ``label``. The unfinished episode at a sequence's end is left out.
"""

import os
import warnings
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from common.dataset.dataset import Dataset
from common.dataset.schema import Tag
from common.errors import UsageError
from datagen.export import Part, check_place, parts, reference_actions, select

_BYTES_A_STEP = 40
_BYTES_AN_EPISODE = 20_000
"""About what HDF5 takes for one: it has nine small arrays of its own."""


def export_minari(
    dataset: Dataset,
    out: str,
    dataset_id: str,
    *,
    first: int = 0,
    count: int | None = None,
    skip_holes: bool = False,
    tick: Callable[[int, int], None] | None = None,
) -> int:
    """Write a Minari dataset.

    Args:
        dataset: What to export.
        out: A new folder; set ``MINARI_DATASETS_PATH`` to it to load from it.
        dataset_id: Minari's name of it, such as ``tiny-v0`` or ``omnirl/tiny-v0``.
        first: Number of the first sequence.
        count: How many; all the rest, where None.
        skip_holes: Leave out shards that were set aside.
        tick: Called with the sequences done and of all.

    Returns:
        How many episodes there are.

    Raises:
        UsageError: Minari is not installed, the name is none, or ``out`` holds something or is too full.
        DataError: A sequence cannot be read.
    """
    minari = _minari()
    _check_id(dataset_id)
    numbers = select(dataset, first, count, skip_holes)
    episodes = len(numbers) * dataset.length // 20
    needed = len(numbers) * dataset.length * _BYTES_A_STEP + episodes * _BYTES_AN_EPISODE
    folder = check_place(out, needed, started=False)
    folder.mkdir(parents=True, exist_ok=True)
    before = os.environ.get("MINARI_DATASETS_PATH")
    os.environ["MINARI_DATASETS_PATH"] = str(folder)
    try:
        with warnings.catch_warnings():  # Minari warns of every fact that it is not told, such as the environment
            warnings.simplefilter("ignore", UserWarning)
            return _write(minari, dataset, dataset_id, numbers, tick)
    finally:
        if before is None:
            del os.environ["MINARI_DATASETS_PATH"]
        else:
            os.environ["MINARI_DATASETS_PATH"] = before


def _write(
    minari: Any, dataset: Dataset, dataset_id: str, numbers: np.ndarray, tick: Callable[[int, int], None] | None
) -> int:
    from common.dataset.spaces import spaces

    observation_space, action_space = spaces(dataset.header)
    made: Any = None
    done = episodes = 0
    for part in parts(dataset, numbers, "drop"):
        buffers = list(_episodes(dataset, part, episodes))
        if made is None:
            made = minari.create_dataset_from_buffers(
                dataset_id,
                buffers,
                observation_space=observation_space,
                action_space=action_space,
                algorithm_name=", ".join(sorted({str(b.get("kind")) for b in _behaviours(dataset)})) or "unknown",
                author="omnirl",
                author_email="none",
                code_permalink="https://arxiv.org/abs/2502.02869",
                description=f"Sequences {numbers[0]}..{numbers[-1]} of {dataset.url}, identity {dataset.identity}",
                data_format="hdf5",
            )
        else:
            made.storage.update_episodes(buffers)
        episodes += len(buffers)
        done += len(part.numbers)
        if tick is not None:
            tick(done, len(numbers))
    return episodes


def _behaviours(dataset: Dataset) -> list[dict[str, Any]]:
    return list(dataset.header.recipe.get("behaviours", ()))


def _episodes(dataset: Dataset, part: Part, begun: int) -> Iterator[Any]:
    """Yield the ended episodes of some sequences as Minari's buffers, numbered from ``begun``."""
    from minari.data_collector.episode_buffer import EpisodeBuffer

    labels, rows = reference_actions(dataset, part.rows), part.rows
    for place, number in enumerate(part.numbers.tolist()):
        begin = 0
        for ordinal, end in enumerate(np.flatnonzero(rows.action[place] == dataset.actions).tolist()):
            steps = slice(begin, end)
            last = np.zeros(end - begin, dtype=bool)
            last[-1:] = True
            terminated = rows.tag[place, end] == Tag.TERMINATED
            yield EpisodeBuffer(
                id=begun,
                options={"sequence": number, "episode": ordinal},
                observations=rows.observation[place, begin : end + 1].astype(np.int64),  # type: ignore[arg-type]
                actions=rows.action[place, steps].astype(np.int64),  # type: ignore[arg-type]
                rewards=rows.reward[place, steps].astype(np.float64),  # type: ignore[arg-type]
                terminations=last & terminated,  # type: ignore[arg-type]
                truncations=last & ~terminated,  # type: ignore[arg-type]
                infos={"tag": rows.tag[place, begin : end + 1], "label": labels[place, begin : end + 1]},
            )
            begun += 1
            begin = end + 1


def _minari() -> Any:
    try:
        import minari
    except ImportError:
        minari = None
    if minari is None or find_spec("h5py") is None:
        raise UsageError('exporting to Minari needs minari and h5py; install them: `pip install "omnirl[minari]"`')
    return minari


def _check_id(dataset_id: str) -> None:
    from minari.dataset.minari_dataset import parse_dataset_id  # the name's rule is Minari's own

    try:
        parse_dataset_id(dataset_id)
    except Exception as error:
        raise UsageError(f"--id takes a Minari name such as tiny-v0, got {dataset_id!r}: {error}") from None


def load_path(out: str) -> str:
    """Return what ``MINARI_DATASETS_PATH`` is to be set to."""
    return str(Path(out).absolute())
