"""The command ``import``: record folders in the original's layout become a dataset.

The layout does not say everything, so the dataset's attributes carry ``origin: imported`` and the rules by which the
rest was filled in (docs/dataset.md has them): worlds, seeds, behaviours and values are unknown; whether an episode
terminated is inferred; of the oracle only its action in the observations that occur is known.
"""

import sys
from typing import Any

import numpy as np

from common.config import digest
from common.dataset import catalog
from common.dataset.header import Header, provenance
from common.dataset.layout import largest_divisor
from common.dataset.reader import StoredDataset
from common.dataset.schema import DISCOUNTS, MAX_ACTIONS, Tag, array_types
from common.dataset.store import open_store
from common.dataset.writer import check_target, create_dataset
from common.errors import DataError, UsageError
from datagen import holding
from datagen.check import Depth
from datagen.export_npy import BREAK
from datagen.holding import Holding, TakenOver
from datagen.importing_scan import Record, Scan, break_rows, load, scan
from datagen.repair import repair

SHARD_BYTES = 64 << 20
"""Raw bytes of a shard, all arrays together, at most, unless told otherwise."""
UNKNOWN = "unknown"
"""Family and behaviour of an imported sequence."""
_RULES = {
    "breaks": "terminated (8) where the break's observation is nowhere acted on in its record, else truncated (9)",
    "oracle": "of discount .994: the labels seen at an observation; no label elsewhere and for other discounts",
    "last observation": "the one after the last row is left out",
}


def import_records(
    folder: str,
    out: str,
    *,
    name: str = "imported",
    label: str = "auto",
    actions: int | None = None,
    vocabulary: int | None = None,
    sequences_per_shard: int | None = None,
    takeover: bool = False,
) -> dict[str, Any]:
    """Make a dataset of record folders; the same call again goes on where it was left, and mends what was damaged.

    Args:
        folder: What holds the folders ``record-NNNNNN``.
        out: The dataset's URL.
        name: What people call it.
        label: ``oracle``, ``action``, or ``auto``.
        actions: Action ids A; as the break rows say, where None.
        vocabulary: Observation symbols; the largest plus one, where None.
        sequences_per_shard: Divides the number of records; chosen, where None.
        takeover: Take ``out`` from a command that holds it and lives.

    Returns:
        What was made.

    Raises:
        UsageError: There are no such records, their labels are not what ``label`` says, or ``out`` holds something
            else; nothing was touched.
        DataError: A record is damaged; it is named.
    """
    found = scan(folder, actions)
    header = _header(found, name, _label(found, label), vocabulary, sequences_per_shard)
    store = open_store(out)
    check_target(store, header)
    holding.check_free(store, takeover=takeover)
    free, needed = store.free_bytes(), header.shards * header.raw_bytes()
    if free is not None and free < needed:
        raise UsageError(f"{out} needs up to {needed / 1e9:.2f} GB and has {free / 1e9:.2f} GB free; free some")
    writer = create_dataset(out, header)
    try:
        with Holding(writer.store, "import", takeover=takeover) as hold:
            stored = StoredDataset(writer.store, writer.header)
            repair(stored, Depth.OBJECTS, hold.check, lambda line: print(line, file=sys.stderr, flush=True))
            for shard in range(header.shards):
                hold.check()
                if not writer.committed(shard):
                    writer.write_shard(shard, *_shard(found, header, shard))
    except TakenOver as other:
        raise DataError(f"{out} was {other}; give the same command again when that one has ended") from other
    finally:
        writer.close()
    return {
        "out": out,
        "sequences": header.sequences,
        "length": header.length,
        "shards": header.shards,
        "vocabulary": header.vocabulary,
        "actions": header.actions,
        "label": header.label,
        "identity": header.identity,
    }


def _label(found: Scan, label: str) -> str:
    """Return what the labels are.

    Raises:
        UsageError: They are not what is said, or neither of the two kinds.
    """
    if label == "action" and not found.by_action:
        raise UsageError("--label action means that actions_label is actions_behavior at every row; here it is not")
    if label != "auto":
        return label
    if found.by_state:
        return "oracle"
    if found.by_action:
        return "action"
    raise UsageError(
        "actions_label is neither a function of the observation in each record, nor the recorded action: "
        f"{found.undecided} has several labels at one observation; give --label oracle to count all of them as optimal"
    )


def _header(found: Scan, name: str, label: str, vocabulary: int | None, per_shard: int | None) -> Header:
    symbols, count = vocabulary or found.symbols, len(found.records)
    if symbols < found.symbols or symbols > 65_535:
        raise UsageError(
            f"--vocabulary must be {found.symbols} (the largest observation plus one) to 65535, got {symbols}"
        )
    if found.actions > MAX_ACTIONS:
        raise UsageError(f"a dataset has at most {MAX_ACTIONS} actions, the records have {found.actions}")
    row = sum(dtype.itemsize for field, dtype in array_types(symbols, found.actions).items() if field != "oracle")
    labels = array_types(symbols, found.actions)["oracle"].itemsize * len(DISCOUNTS) * symbols
    chosen = per_shard or largest_divisor(count, max(1, SHARD_BYTES // (row * found.length + labels)))
    if count % chosen:
        raise UsageError(f"--sequences-per-shard must divide the {count} records, got {chosen}")
    facts = {"label": label, "records": count, "rules": _RULES, "values": found.digest}
    recipe = {"name": name, "imported": facts}
    return Header(
        sequences=count,
        length=found.length,
        sequences_per_shard=chosen,
        vocabulary=symbols,
        actions=found.actions,
        recipe=recipe,
        identity=digest({**recipe, "vocabulary": symbols, "actions": found.actions}),
        label=label,
        origin="imported",
        provenance=provenance(),
    )


def _shard(found: Scan, header: Header, shard: int) -> tuple[dict[str, np.ndarray], list[dict[str, Any]]]:
    """Return a shard's arrays and catalog rows."""
    first, count = shard * header.sequences_per_shard, header.sequences_per_shard
    arrays = {field: np.zeros(header.shard_shape(field), dtype) for field, dtype in header.types().items()}
    rows = []
    for place in range(count):
        record = load(found.records[first + place])
        _fill({field: array[place] for field, array in arrays.items()}, record, header)
        rows.append(_row(first + place, arrays["reward"][place], break_rows(record), header.actions))
    return arrays, rows


def _fill(out: dict[str, np.ndarray], record: Record, header: Header) -> None:
    breaks, length = break_rows(record), header.length
    observation, live = record["observations"][:length], ~breaks
    out["observation"][:] = observation
    out["action"][:] = record["actions_behavior"]
    out["reward"][:] = record["rewards"]
    acted_on = np.zeros(header.vocabulary, dtype=bool)
    acted_on[observation[live]] = True
    ends = np.where(acted_on[observation], Tag.TRUNCATED, Tag.TERMINATED)
    out["tag"][:] = np.where(breaks, ends, np.minimum(record["tags"], BREAK))
    bits = out["oracle"].dtype.type(1) << record["actions_label"][live].astype(out["oracle"].dtype)
    np.bitwise_or.at(out["oracle"][-1], observation[live], bits)


def _row(number: int, reward: np.ndarray, breaks: np.ndarray, actions: int) -> dict[str, Any]:
    known = {"sequence": number, "n_a": actions, "action_map": list(range(actions)), "episodes": int(breaks.sum())}
    known |= {"family": UNKNOWN, "parameters": "{}", "behaviours": [(0, UNKNOWN)], "rejections": {}, "symbol": []}
    known["return"] = float(reward.sum(dtype=np.float64))
    return {column: known.get(column) for column in catalog.columns()}
