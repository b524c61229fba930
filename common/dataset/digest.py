"""Digests of decoded data: one per sequence and array, and one of a whole dataset, indifferent to shards and codecs."""

import hashlib
import json
from collections.abc import Mapping, Sequence

import numpy as np

from common.dataset.layout import Layout


def row_digests(array: np.ndarray) -> list[bytes]:
    """Return the SHA-256 (32 bytes) of every sequence of an array: little-endian values in C order."""
    plain = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return [hashlib.sha256(row.data).digest() for row in plain]


class DataDigest:
    """One digest of all data: SHA-256 over the arrays' names, types and row shapes, then every row's digests in order.

    The rows' digests are those of ``row_digests``: sequence by sequence, and within one in the order of the schema.
    """

    def __init__(self, layout: Layout) -> None:
        self.names = list(layout.types())
        header = [[name, spec.dtype, list(spec.shape[1:])] for name, spec in layout.arrays().items()]
        self._hash = hashlib.sha256(json.dumps(header).encode())

    def update(self, digests: Mapping[str, Sequence[bytes]]) -> None:
        """Take in the next sequences: per array, one digest a sequence."""
        for row in zip(*(digests[name] for name in self.names), strict=True):
            self._hash.update(b"".join(row))

    def hexdigest(self) -> str:
        """Return the digest of all sequences taken in so far, 64 hexadecimal digits."""
        return self._hash.hexdigest()
