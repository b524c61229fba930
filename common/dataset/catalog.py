"""The catalog: one Parquet file a shard, a row a sequence; its existence commits the shard.

The file's metadata hold, under the key ``omnirl``, a JSON document: the shard's sums, and per stored object its key,
size and digest. What the file says is a function of the shard's data alone, so two writers of a shard write the same.
"""

import hashlib
import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from common.config import Settings
from common.dataset.digest import row_digests
from common.dataset.schema import FORMAT_VERSION, TAGS

FOLDER = "catalog"
_FOOTER_KEY = b"omnirl"
_DIGEST_KEY = b"omnirl-sha256"
"""Of the document under the other key: Parquet's own checksums cover the rows' pages alone."""
_BLOCK = 65_536

_COLUMNS: dict[str, pa.DataType] = {
    "sequence": pa.int64(),
    "family": pa.string(),
    "version": pa.int32(),
    "parameters": pa.string(),  # JSON
    "seed": pa.uint64(),
    "n_s": pa.int32(),
    "n_a": pa.int32(),
    "behaviours": pa.list_(pa.struct([("start", pa.int32()), ("kind", pa.string())])),
    "action_map": pa.list_(pa.uint8()),
    "episodes": pa.int32(),
    "return": pa.float64(),
    "oracle_value": pa.float64(),
    "random_value": pa.float64(),
    "rejections": pa.map_(pa.string(), pa.int64()),
    "symbol": pa.list_(pa.uint16()),
}


def columns() -> list[str]:
    """Return the names of a catalog row's columns, the digests aside. Null where something is not known (imports)."""
    return list(_COLUMNS)


class StoredObject(Settings):
    """One object of a shard as stored."""

    array: str
    key: str
    size: int
    """Bytes."""
    sha256: str
    """Of the stored bytes, 64 hexadecimal digits."""

    @classmethod
    def of(cls, array: str, key: str, data: bytes) -> "StoredObject":
        """Describe ``data``, to be found at ``key``."""
        return cls(array=array, key=key, size=len(data), sha256=hashlib.sha256(data).hexdigest())


class Footer(Settings):
    """What the catalog file's metadata say of its shard."""

    format_version: int
    identity: str
    """Identity digest of the dataset the shard belongs to."""
    shard: int
    first: int
    """Index of its first sequence."""
    sequences: int
    steps: int
    """Rows, break rows included."""
    episodes: int
    """Episodes that ended inside the shard."""
    reward_sum: float
    tags: tuple[int, ...]
    """Rows by tag, 0..9."""
    behaviours: dict[str, int]
    """Stretches of behaviour by kind."""
    families: dict[str, int]
    """Sequences by family."""
    rejections: dict[str, int]
    """Candidate worlds dropped, by check."""
    objects: tuple[StoredObject, ...]


def name(shard: int) -> str:
    """Return the key of a shard's catalog file."""
    return f"{FOLDER}/shard-{shard:06d}.parquet"


def shard_of(file_name: str) -> int | None:
    """Return the shard a file name in the catalog's folder belongs to, or None where it is no catalog file."""
    stem, _, extension = file_name.partition(".")
    number = stem.removeprefix("shard-")
    return int(number) if extension == "parquet" and stem.startswith("shard-") and number.isdigit() else None


def summarise(
    identity: str,
    shard: int,
    arrays: Mapping[str, np.ndarray],
    rows: Sequence[Mapping[str, Any]],
    objects: Sequence[StoredObject],
) -> Footer:
    """Return a shard's sums."""
    behaviours: Counter[str] = Counter()
    rejections: Counter[str] = Counter()
    for row in rows:
        behaviours.update(kind for _, kind in row["behaviours"])
        rejections.update(row["rejections"])
    return Footer(
        format_version=FORMAT_VERSION,
        identity=identity,
        shard=shard,
        first=int(rows[0]["sequence"]),
        sequences=len(rows),
        steps=arrays["tag"].size,
        episodes=sum(int(row["episodes"]) for row in rows),
        reward_sum=math.fsum(float(row["return"]) for row in rows),
        tags=tag_counts(arrays["tag"]),
        behaviours=dict(sorted(behaviours.items())),
        families=dict(sorted(Counter(str(row["family"]) for row in rows).items())),
        rejections=dict(sorted(rejections.items())),
        objects=tuple(objects),
    )


def tag_counts(tags: np.ndarray) -> tuple[int, ...]:
    """Return the rows by tag; block by block, which is several times faster than ``np.bincount`` with its wide copy."""
    flat = tags.reshape(-1)
    counts = [0] * TAGS
    for begin in range(0, flat.size, _BLOCK):
        block = flat[begin : begin + _BLOCK]
        for tag in range(TAGS):
            counts[tag] += int(np.count_nonzero(block == tag))
    return tuple(counts)


def table(arrays: Mapping[str, np.ndarray], rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Return a catalog's rows as a table, the digest of every array's row among them.

    Raises:
        ValueError: A row lacks a column or has one too many.
    """
    for row in rows:
        if row.keys() != _COLUMNS.keys():
            wrong = sorted(row.keys() ^ _COLUMNS.keys())
            raise ValueError(f"a catalog row has exactly the columns {', '.join(_COLUMNS)}; these differ: {wrong}")
    columns = {column: _column(column, kind, [row[column] for row in rows]) for column, kind in _COLUMNS.items()}
    digests = [pa.array(row_digests(array), type=pa.binary(32)) for array in arrays.values()]
    columns["digest"] = pa.StructArray.from_arrays(digests, names=list(arrays))
    return pa.table(columns)


def encode(footer: Footer, arrays: Mapping[str, np.ndarray], rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Return the bytes of a shard's catalog file.

    Args:
        footer: The shard's sums and objects.
        arrays: Its decoded arrays, by name.
        rows: One mapping a sequence with the columns above, ``behaviours`` as (start step, kind) pairs.

    Raises:
        ValueError: A row lacks a column or has one too many.
    """
    text = footer.model_dump_json().encode()
    kept = table(arrays, rows).replace_schema_metadata({_FOOTER_KEY: text, _DIGEST_KEY: _digest(text)})
    sink = pa.BufferOutputStream()
    pq.write_table(kept, sink, compression="zstd", write_page_checksum=True)
    return sink.getvalue().to_pybytes()


def decode(data: bytes) -> tuple[Footer, pa.Table]:
    """Return what a catalog file holds.

    Raises:
        Exception: Whatever pyarrow or pydantic raise for bytes that are no catalog file; the caller names it.
    """
    table = pq.read_table(pa.BufferReader(data), page_checksum_verification=True)
    return _footer(table.schema.metadata), table


def decode_footer(data: bytes) -> Footer:
    """Return the sums alone, without reading the rows."""
    return _footer(pq.read_schema(pa.BufferReader(data)).metadata)


def digests(table: pa.Table) -> dict[str, list[bytes]]:
    """Return the stored digests of the decoded rows, by array."""
    column = table.column("digest").combine_chunks()
    return {field.name: column.field(field.name).to_pylist() for field in column.type}


def _footer(metadata: Mapping[bytes, bytes] | None) -> Footer:
    text = (metadata or {}).get(_FOOTER_KEY)
    if text is None:
        raise ValueError("the file's metadata lack the key 'omnirl'")
    if (metadata or {}).get(_DIGEST_KEY) != _digest(text):
        raise ValueError("the shard's sums in the file's metadata have another digest than was committed")
    return Footer.model_validate_json(text)


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(text).hexdigest().encode()


def _column(column: str, kind: pa.DataType, values: list[Any]) -> pa.Array:
    """Return a column; nested ones from flat lists, which is several times faster than from a mapping a value."""
    if column == "behaviours":
        offsets = np.cumsum([0, *map(len, values)], dtype=np.int32)
        starts = np.fromiter((start for value in values for start, _ in value), dtype=np.int32, count=offsets[-1])
        kinds = [kind for value in values for _, kind in value]
        inner = [pa.array(starts), pa.array(kinds, type=pa.string())]
        return pa.ListArray.from_arrays(offsets, pa.StructArray.from_arrays(inner, names=["start", "kind"]), type=kind)
    if column in ("action_map", "symbol"):
        offsets = np.cumsum([0, *map(len, values)], dtype=np.int32)
        flat = np.fromiter(itertools.chain.from_iterable(values), dtype=kind.value_type.to_pandas_dtype())
        return pa.ListArray.from_arrays(offsets, pa.array(flat), type=kind)
    if column == "rejections":
        values = [sorted((str(check), int(count)) for check, count in value.items()) for value in values]
    return pa.array(values, type=kind)
