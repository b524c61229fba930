"""Reading files that others are writing: JSON documents, and JSON lines from a remembered byte offset."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CHUNK = 4 << 20
"""Bytes of a metrics file read at most in one poll; the next poll goes on from there."""
FAULTS_KEPT = 5


@dataclass(frozen=True)
class Document:
    """A JSON file's content, or why it could not be read."""

    value: dict[str, Any] | None
    fault: str | None


def read_document(path: Path) -> Document:
    """Read a JSON object; a missing, half-written or corrupt file becomes a fault, never an exception."""
    try:
        value = parse(path.read_bytes())
    except OSError as error:
        return Document(None, f"cannot be read: {error.strerror or error}")
    except ValueError as error:
        return Document(None, f"is not valid JSON (half written or corrupt): {error}")
    if not isinstance(value, dict):
        return Document(None, f"must hold a JSON object, holds {type(value).__name__}")
    return Document(value, None)


def parse(text: bytes) -> Any:
    """Parse JSON; NaN and infinities become None, so that they can be passed on as JSON.

    Raises:
        ValueError: The text is no JSON, no UTF-8, or nested beyond reason.
    """
    try:
        return json.loads(text, parse_constant=lambda _: None)
    except RecursionError:
        raise ValueError("nested too deeply") from None


@dataclass
class JsonLines:
    """A growing file of one JSON object a line, read from where the last poll stopped.

    A last line without its newline is left for the next poll; a complete line that is no JSON object is counted and
    named; a file that shrank or was replaced is read from its beginning, and ``restarts`` says so.
    """

    path: Path
    restarts: int = 0
    bad_lines: int = 0
    faults: list[str] = field(default_factory=list)
    caught_up: bool = True
    _offset: int = 0
    _line: int = 0
    _inode: int | None = None
    _rest: bytes = b""

    def poll(self) -> list[dict[str, Any]]:
        """Return the objects completed since the last poll, at most ``CHUNK`` bytes of them.

        Raises:
            OSError: The file exists and cannot be read.
        """
        try:
            with self.path.open("rb") as file:
                self._notice_replacement(file.fileno())
                file.seek(self._offset)
                block = file.read(CHUNK)
        except FileNotFoundError:
            self._restart(None)
            return []
        self.caught_up = len(block) < CHUNK
        self._offset += len(block)
        *lines, self._rest = (self._rest + block).split(b"\n")
        return [value for line in lines if (value := self._read(line)) is not None]

    def _notice_replacement(self, descriptor: int) -> None:
        status = os.fstat(descriptor)
        if self._inode is None:
            self._inode = status.st_ino
        elif status.st_ino != self._inode or status.st_size < self._offset:
            self._restart(status.st_ino)

    def _restart(self, inode: int | None) -> None:
        if self._offset:
            self.restarts += 1
        self._offset, self._line, self._rest, self._inode = 0, 0, b"", inode
        self.bad_lines = 0
        self.faults.clear()

    def _read(self, line: bytes) -> dict[str, Any] | None:
        self._line += 1
        if not line.strip():
            return None
        try:
            value = parse(line)
            if isinstance(value, dict):
                return value
            reason = f"holds {type(value).__name__}, not an object"
        except ValueError as error:
            reason = str(error)
        self.bad_lines += 1
        if len(self.faults) < FAULTS_KEPT:
            self.faults.append(f"line {self._line} cannot be read and was left out: {reason}")
        return None
