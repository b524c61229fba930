"""One training run: RUN/run.json, metrics.jsonl and evaluations in, what the API answers out."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from deploy.dashboard.columns import Columns
from deploy.dashboard.evaluations import Evaluations
from deploy.dashboard.models import (
    Evaluation,
    Event,
    Fault,
    Metrics,
    PositionHistory,
    RunDetail,
    RunSummary,
    State,
)
from deploy.dashboard.positions import Moments, checked, losses
from deploy.dashboard.tail import Document, JsonLines, read_document

DESCRIPTION = "run.json"
METRICS = "metrics.jsonl"
STALLED_AFTER = 25.0
"""Seconds without a metrics row; a run whose own habit is slower gets ``PATIENCE`` times its longest recent gap."""
PATIENCE = 2.0
GAPS_KEPT = 20
THINNED_KEPT = 4
"""Numbers of points for which the curves are kept until there are new rows."""
EVENTS_KEPT = 50
FINISHED, STOPPED, FAILED = ENDINGS = ("finished", "told to stop", "failed")
"""How the last event of a run that ended begins."""
ERRORS = ("failed: ", " skipped: ", " stopped: ")
"""What an event that tells of something that went wrong has in it."""


@dataclass
class RunSource:
    """Reads one run incrementally. ``poll`` runs in one thread at a time; answers may be asked from any."""

    id: str
    name: str
    folder: Path
    detail: RunDetail | None = None
    evaluations: list[Evaluation] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Prepare the readers of the run's files."""
        self._lock = Lock()
        self._told = False
        self._lines = JsonLines(self.folder / METRICS)
        self._results = Evaluations(self.folder)
        self._description: tuple[tuple[int, int] | None, Document] = (None, Document(None, "does not exist yet"))
        self._thinned: dict[int, tuple[int, Metrics]] = {}
        self._forget()

    def _forget(self) -> None:
        self._train = Columns()
        self._validation: dict[str, Columns] = {}
        self._positions: dict[str, list[dict[str, Any]]] = {}
        self._events: list[Event] = []
        self._checkpoints: list[Event] = []
        self._times: list[float] = []
        self._history: dict[str, Moments] = {}
        self._drawn: tuple[int, dict[str, PositionHistory]] = -1, {}
        self._restarts = 0
        self._ended: str | None = None
        self._first: float | None = None
        self._faults: list[Fault] = []
        self._rows = 0

    def poll(self, now: float | None = None) -> set[str]:
        """Read what is new; return which of ``run`` and ``evaluation`` changed."""
        now = time.time() if now is None else now
        rows, faults = self._rows, list(self._read_metrics())
        faults += self._read_description()
        evaluations = self._results.poll()
        detail = self._describe(now, evaluations, faults)
        changed = set()
        if detail != self.detail or rows != self._rows:
            changed.add("run")
        if evaluations != self.evaluations:
            changed.add("evaluation")
        self.detail, self.evaluations = detail, evaluations
        self._told = self._lines.caught_up  # only now do answers have it
        return changed

    @property
    def caught_up(self) -> bool:
        """Whether the metrics file was read to its end."""
        return self._told

    def metrics(self, points: int) -> Metrics:
        """Return the curves with at most ``points`` points each."""
        with self._lock:
            rows, answer = self._thinned.get(points, (-1, None))
            if answer is not None and rows == self._rows:
                return answer
            answer = Metrics(
                train=self._train.thinned(points),
                validation={name: columns.thinned(points) for name, columns in sorted(self._validation.items())},
            )
            if len(self._thinned) >= THINNED_KEPT:
                self._thinned.clear()
            self._thinned[points] = (self._rows, answer)
            return answer

    def summary(self) -> RunSummary | None:
        """Return the run at a glance, None before the first poll."""
        detail = self.detail
        if detail is None:
            return None
        return RunSummary.model_construct(**{name: getattr(detail, name) for name in _SUMMARY})

    def _read_metrics(self) -> list[Fault]:
        restarts = self._lines.restarts
        try:
            rows = self._lines.poll()
        except OSError as error:
            return [Fault(path=METRICS, message=f"cannot be read: {error.strerror or error}")]
        with self._lock:
            if self._lines.restarts != restarts:
                self._forget()
            for row in rows:
                self._take(row)
            self._rows += len(rows)
        faults = [Fault(path=METRICS, message=message) for message in self._lines.faults]
        more = self._lines.bad_lines - len(faults)
        if more > 0:
            faults.append(Fault(path=METRICS, message=f"and {more} more lines that cannot be read"))
        return faults + self._faults

    def _take(self, row: dict[str, Any]) -> None:
        kind = row.get("kind")
        moment = row.get("time")
        if isinstance(moment, int | float):
            self._first = moment if self._first is None else self._first
            self._times = [*self._times[-GAPS_KEPT:], float(moment)]
        try:
            if kind == "train":
                self._train.append(row)
                self._ended = None
                self._place("train", row)
            elif kind == "validation":
                name = str(row.get("set"))
                self._validation.setdefault(name, Columns()).append(row)
                self._place(name, row)
            elif kind in ("checkpoint", "event"):
                message = str(row.get("message", ""))
                self._restarts += kind == "event" and message.startswith("resumed at")
                self._ended = message.partition(":")[0] if message.startswith(ENDINGS) else self._ended
                kept = self._checkpoints if kind == "checkpoint" else self._events
                kept.append(_event(row))
                del kept[:-EVENTS_KEPT]
        except ValueError as error:
            if len(self._faults) < 5:
                self._faults.append(Fault(path=METRICS, message=f"a {kind} row was left out: {str(error)[:200]}"))

    def _place(self, name: str, row: dict[str, Any]) -> None:
        """Keep losses by position, and of their history some moments."""
        bins = checked(row.get("by_position"))
        if bins:
            self._positions[name] = bins
            self._history.setdefault(name, Moments()).add(float(row["step"]), bins)

    def positions(self) -> dict[str, PositionHistory]:
        """Return how the loss by position fell, by set; the same object while there are no new rows."""
        with self._lock:
            if self._drawn[0] != self._rows:
                self._drawn = self._rows, {name: moments.answer() for name, moments in self._history.items()}
            return self._drawn[1]

    def _read_description(self) -> list[Fault]:
        path = self.folder / DESCRIPTION
        try:
            status = path.stat()
            stamp = (status.st_mtime_ns, status.st_size)
        except OSError:
            stamp = None
        if stamp is None or stamp != self._description[0]:
            self._description = (stamp, read_document(path))
        fault = self._description[1].fault
        return [Fault(path=DESCRIPTION, message=fault)] if fault else []

    def _describe(self, now: float, evaluations: list[Evaluation], faults: list[Fault]) -> RunDetail:
        description = self._description[1].value or {}
        recipe = _object(description.get("recipe"))
        total = _whole(description.get("steps"))
        step = int(self._train.last("step") or 0)
        state = self._state(now, step, total)
        speed = self._train.last("steps_per_second")
        latest = {name: value for name in self._train.names() if (value := self._train.last(name)) is not None}
        return RunDetail(
            id=self.id,
            name=self.name,
            location=str(self.folder),
            state=state,
            recipe=str(recipe["name"]) if "name" in recipe else None,
            step=step,
            total_steps=total,
            environment_steps=self._train.last("environment_steps"),
            steps_per_second=speed,
            eta=self._eta(step, total) if state is State.RUNNING else None,
            started=self._first,
            updated=self._times[-1] if self._times else None,
            loss=latest.get("loss"),
            loss_policy=latest.get("loss_policy"),
            accuracy_random_context=next(
                (value for columns in self._validation.values() if (value := columns.last("accuracy_random_context"))),
                None,
            ),
            evaluations=len(evaluations),
            last_event=self._events[-1] if self._events else None,
            last_error=next((one for one in self._events[::-1] if any(sign in one.message for sign in ERRORS)), None),
            faults=faults,
            dataset_identity=_identity(description),
            model=_object(description.get("model")),
            settings=recipe,
            versions=_object(description.get("versions")),
            latest=latest,
            by_position={name: told for name, bins in self._positions.items() if (told := losses(bins))},
            checkpoints=self._checkpoints[::-1],
            events=self._events[::-1],
            restarts=self._restarts,
            best=self._name("best"),
            durable=self._name("latest"),
            report=(self.folder / "report" / "report.md").is_file(),
            dataset_identities=[
                known for part in _list(description.get("datasets")) if (known := _text(part.get("identity")))
            ],
        )

    def _state(self, now: float, step: int, total: int | None) -> State:
        if self._description[1].value is None and not self._rows:
            return State.BROKEN if self._description[0] else State.WAITING
        if self._ended == FINISHED or (total is not None and step >= total > 0):
            return State.DONE
        if self._ended in (STOPPED, FAILED):
            return State.STOPPED if self._ended == STOPPED else State.FAILED
        last = max([*self._times[-1:], (self._description[0] or (0, 0))[0] / 1e9])
        gaps = [b - a for a, b in zip(self._times, self._times[1:], strict=False)]
        patience = max(STALLED_AFTER, PATIENCE * max(gaps, default=0.0))
        if now - last > patience:
            return State.STALLED
        return State.RUNNING if self._rows else State.WAITING

    def _name(self, pointer: str) -> str | None:
        """Return the checkpoint that ``latest`` or ``best`` names."""
        path = self.folder / pointer
        try:
            return None if path.is_symlink() else path.read_text()[:200].strip() or None
        except (OSError, ValueError):
            return None

    def _eta(self, step: int, total: int | None) -> float | None:
        pace = self._train.pace()
        if total is None or pace is None:
            return None
        seconds_a_step, newest = pace
        return newest + (total - step) * seconds_a_step


_SUMMARY = set(RunSummary.model_fields)


def _event(row: dict[str, Any]) -> Event:
    moment = row.get("time")
    step = row.get("step")
    message = str(row.get("message") or row.get("path") or "")
    return Event(
        time=moment if isinstance(moment, int | float) else None,
        kind=str(row.get("kind")),
        message=f"step {step}: {message}" if isinstance(step, int) else message,
    )


def _list(value: Any) -> list[dict[str, Any]]:
    return [part for part in value if isinstance(part, dict)] if isinstance(value, list) else []


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _identity(description: dict[str, Any]) -> str | None:
    value = description.get("dataset_identity", _object(description.get("dataset")).get("identity"))
    return value if isinstance(value, str) else None
