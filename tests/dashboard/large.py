"""Ten thousand shards with ten million catalog rows, and a run of a million metric rows, as writers leave them."""

import hashlib
import json
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from common.dataset import catalog

from . import examples

SHARDS, SHARD_ROWS, METRIC_ROWS = 10_000, 1_000, 1_000_000


def dataset(folder: Path, shards: int = SHARDS) -> Path:
    """Write catalog files of ``SHARD_ROWS`` rows each; their sums say as much. There are no arrays below them."""
    examples.write_shard(examples.create_dataset(str(folder), examples.header(shards)), 0)
    first = folder / catalog.name(0)
    footer, table = catalog.decode(first.read_bytes())
    rows = pa.concat_tables([table] * -(-SHARD_ROWS // len(table))).slice(0, SHARD_ROWS).combine_chunks()
    known = dict(table.schema.metadata)
    (text_key,) = [key for key, value in known.items() if value.startswith(b"{")]
    (digest_key,) = [
        key for key, value in known.items() if value == hashlib.sha256(known[text_key]).hexdigest().encode()
    ]
    first.unlink()
    for shard in range(shards):
        sums = footer.model_copy(update={"shard": shard, "sequences": SHARD_ROWS})
        text = sums.model_dump_json().encode()
        told = {text_key: text, digest_key: hashlib.sha256(text).hexdigest().encode()}
        pq.write_table(rows.replace_schema_metadata(told), folder / catalog.name(shard), compression="zstd")
    return folder


def run(folder: Path, rows: int = METRIC_ROWS) -> Path:
    """Write a run of so many rows, each with every figure and the losses by position that a real one has."""
    examples.run(folder, steps=10, total=rows)
    begin = time.time() - rows * 0.01
    with open(folder / "metrics.jsonl", "w") as file:
        for step in range(1, rows + 1):
            file.write(json.dumps(_row(step, begin + step * 0.01, rows)) + "\n")
    return folder


def _row(step: int, moment: float, rows: int) -> dict[str, Any]:
    row = examples.train_row(step, moment, rows)
    bins = [(0 if k == 0 else 2**k, 2 ** (k + 1)) for k in range(9)]
    heads = {f"loss_{head}": row[f"loss_{head}"] for head in ("policy", "observation", "reward", "break")}
    return row | {"by_position": [{"from": first, "to": end, **heads} for first, end in bins]}
