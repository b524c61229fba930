"""The state folder of a flagship run: everything that is measured, line by line, and what the next leg goes on from.

FOLDER/journal.jsonl     a line per fact, appended and synced at once: phases, cells, errors, in order of time
FOLDER/settings.json     what was picked, and the stages' settings once they have begun
FOLDER/runs/             the stages' training runs (trainer/rundir.py)
FOLDER/share/            what leaves the machine: tables, figures' data, safetensors under 16 MB a file, card
"""

import json
import os
import time
from pathlib import Path
from typing import Any

from common.errors import DataError

JOURNAL, SETTINGS, RUNS, SHARE = "journal.jsonl", "settings.json", "runs", "share"


class State:
    """A state folder, opened.

    Args:
        folder: Made if it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runs, self.share = folder / RUNS, folder / SHARE
        for path in (folder, self.runs, self.share):
            path.mkdir(parents=True, exist_ok=True)

    def note(self, kind: str, **facts: Any) -> None:
        """Append a line to the journal; it is on disk on return."""
        line = json.dumps({"kind": kind, "time": round(time.time(), 3), **facts}, default=str)
        with (self.folder / JOURNAL).open("a", encoding="utf-8") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())

    def lines(self, *kinds: str) -> list[dict[str, Any]]:
        """Return the journal's lines of these kinds (all, without any); one cut short by a kill is passed over."""
        path = self.folder / JOURNAL
        found = []
        for text in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
            try:
                line = json.loads(text)
            except ValueError:
                continue
            if not kinds or line["kind"] in kinds:
                found.append(line)
        return found

    def settings(self) -> dict[str, Any]:
        """Return what was picked so far.

        Raises:
            DataError: The file is damaged.
        """
        path = self.folder / SETTINGS
        try:
            return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}
        except ValueError as error:
            raise DataError(f"{path} is damaged: {error}; remove it to pick anew") from error

    def keep(self, **picked: Any) -> None:
        """Add to the settings; the file is there in full or as it was."""
        write_json(self.settings() | picked, self.folder / SETTINGS)


def write_json(facts: Any, path: Path) -> None:
    """Write a file so that a reader sees the old one or the new one, never half of it."""
    unfinished = path.with_name(f".{path.name}.part")
    unfinished.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    unfinished.replace(path)
