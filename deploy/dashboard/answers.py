"""Answers as bytes: made once for as long as their object is the newest, packed for those who can unpack."""

import csv
import gzip
import hashlib
import io
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.responses import Response

KEPT = 64
WORTH_PACKING = 1024
"""Bytes."""


@dataclass
class _Answer:
    about: Any
    """What it says; another object, another answer."""
    plain: bytes
    tag: str
    packed: bytes | None = None

    def give(self, request: Request, media_type: str) -> Response:
        headers = {"ETag": self.tag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if self.tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if len(self.plain) < WORTH_PACKING or "gzip" not in request.headers.get("accept-encoding", ""):
            return Response(self.plain, media_type=media_type, headers=headers)
        if self.packed is None:
            self.packed = gzip.compress(self.plain, 3, mtime=0)
        return Response(self.packed, media_type=media_type, headers=headers | {"Content-Encoding": "gzip"})


class Kept:
    """The newest answers; one that a client still has is not sent again."""

    def __init__(self) -> None:
        """Keep nothing yet."""
        self._kept: OrderedDict[Hashable, _Answer] = OrderedDict()

    def give(
        self,
        request: Request,
        key: Hashable,
        about: Any,
        write: Callable[[], bytes],
        media_type: str = "application/json",
    ) -> Response:
        """Return the answer ``write()`` makes of ``about``; not made again while the same object is asked about."""
        known = self._kept.get(key)
        if known is None or known.about is not about:
            plain = write()
            known = self._kept[key] = _Answer(about, plain, f'"{hashlib.blake2b(plain, digest_size=12).hexdigest()}"')
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return known.give(request, media_type)


def as_csv(columns: Mapping[str, Sequence[float | None]]) -> bytes:
    """Return columns of one length as CSV, empty where a value is missing."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return text.getvalue().encode()
