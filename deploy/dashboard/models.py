"""What the API answers: typed, frozen, times in unix seconds. The page is one reader of it; scripts are others."""

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Answer(BaseModel):
    """Base of every answer."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True, populate_by_name=True)


class State(StrEnum):
    """What a dataset or a run is doing, judged from its files and their age."""

    WAITING = "waiting"
    """Nothing has been written yet."""
    RUNNING = "running"
    STALLED = "stalled"
    """Unfinished, and no sign of life for longer than its writers' habit."""
    STOPPED = "stopped"
    """Unfinished, and its writers ended in order: interrupted, to be resumed."""
    DONE = "done"
    FAILED = "failed"
    """Its writers ended and said that something is missing."""
    BROKEN = "broken"
    """Its own description cannot be read; see its faults."""


class Fault(Answer):
    """A file that could not be used."""

    path: str
    """Relative to the dataset or run."""
    message: str


class Share(Answer):
    """A part of a whole."""

    name: str
    count: int
    share: float


class Event(Answer):
    """Something a writer reported."""

    time: float | None
    kind: str
    message: str
    shard: int | None = None
    writer: str | None = None
    cause: str | None = None
    """Of a loss."""


class Writer(Answer):
    """A process that writes shards, or the driver that leads them."""

    name: str
    kind: str
    host: str | None
    pid: int | None
    node: str | None
    """Of its cluster."""
    first: float | None
    last: float | None
    shards: int
    steps: int
    seconds: float
    """Seconds spent on its shards."""
    steps_per_second: float | None
    """Its steps over the seconds it spent on them."""
    state: State


class InFlight(Answer):
    """A shard somebody is at work on."""

    shard: int
    worker: str
    seconds: float


class Queue(Answer):
    """The driver's own view of the dataset."""

    shards: int
    committed: int
    waiting: int
    in_flight: int
    set_aside: int
    workers: int
    steps_per_second: float | None
    seconds_left: float | None
    oldest: list[InFlight] = []


class Holder(Answer):
    """The command that holds the dataset."""

    command: str | None = None
    host: str | None = None
    pid: int | None = None
    since: float | None = None
    heartbeat: float | None = None


class Hole(Answer):
    """A shard set aside."""

    shard: int
    attempts: int | None = None
    cause: str = ""
    time: float | None = None


class NodeRate(Answer):
    """Steps a second of one node over time."""

    node: str
    time: list[float]
    """Where each bin begins."""
    steps_per_second: list[float]


class Size(Answer):
    """What was made of worlds of about one size."""

    states: int
    """Rounded up to a power of two."""
    sequences: int
    steps: int
    steps_per_second: float | None
    """Over the seconds spent on generating them."""


class DatasetSummary(Answer):
    """A dataset at a glance."""

    id: str
    name: str
    location: str
    state: State
    recipe: str | None
    shards: int | None
    """Shards the recipe asks for."""
    committed: int
    sequences: int
    """In committed shards."""
    steps: int
    """In committed shards."""
    total_steps: int | None
    steps_per_second: float | None
    """Over the newest commits; None once nothing is being written."""
    eta: float | None
    """When the last shard is due."""
    started: float | None
    updated: float | None
    """Newest sign of life."""
    last_event: Event | None
    last_error: Event | None
    """The newest event that tells of something that went wrong."""
    faults: list[Fault]


class Progress(Answer):
    """Committed shards over time."""

    time: list[float]
    shards: list[int]


class DatasetDetail(DatasetSummary):
    """Everything the dataset's page shows."""

    identity: str | None
    format_version: int | None
    length: int | None
    sequences_per_shard: int | None
    vocabulary: int | None
    actions: int | None
    label: str | None
    episodes: int
    """That ended inside committed shards."""
    stored_bytes: int | None
    tags: list[Share]
    behaviours: list[Share]
    families: list[Share]
    rejections: list[Share]
    """Candidate worlds dropped, by check."""
    writers: list[Writer]
    by_node: list[NodeRate]
    sizes: list[Size]
    losses: list[Share]
    """Actors lost and started anew, by cause."""
    queue: Queue | None
    holder: Holder | None
    holes: list[Hole]
    projected_bytes: int | None
    """Of the whole dataset, from what is stored so far."""
    events: list[Event]
    """The newest, newest first."""
    committed_ranges: list[tuple[int, int]]
    """First and last number of every unbroken stretch of committed shards."""
    failed_shards: list[int]
    """Set aside after repeated failures and not committed since."""
    progress: Progress
    settings: dict[str, Any]
    """The resolved recipe."""
    provenance: dict[str, Any]


class RunSummary(Answer):
    """A training run at a glance."""

    id: str
    name: str
    location: str
    state: State
    recipe: str | None
    step: int
    """Optimiser steps done."""
    total_steps: int | None
    """Optimiser steps planned."""
    environment_steps: float | None
    steps_per_second: float | None
    """Environment steps a second."""
    eta: float | None
    started: float | None
    updated: float | None
    loss: float | None
    loss_policy: float | None
    accuracy_random_context: float | None
    """Of the greedy action in contexts of random actions: the honest gauge while training."""
    evaluations: int
    last_event: Event | None
    last_error: Event | None
    """The newest event that tells of a skipped step or a failure."""
    faults: list[Fault]


class PositionLoss(Answer):
    """Policy loss over a stretch of the context."""

    first: float = Field(alias="from")
    to: float
    loss_policy: float | None


class RunDetail(RunSummary):
    """Everything the run's page shows beside its curves."""

    dataset_identity: str | None
    model: dict[str, Any]
    settings: dict[str, Any]
    versions: dict[str, Any]
    latest: dict[str, float]
    """Newest value of every training metric."""
    by_position: dict[str, list[PositionLoss]]
    """Newest, by validation set."""
    checkpoints: list[Event]
    events: list[Event]
    restarts: int
    """Times it went on after an end."""
    best: str | None
    """Checkpoint of the lowest policy loss on unseen worlds."""
    durable: str | None
    """The newest checkpoint that is safely stored."""
    report: bool
    """Whether its report was written."""
    dataset_identities: list[str]


class PositionHistory(Answer):
    """Policy loss by stretch of the context over optimiser steps."""

    step: list[float]
    bins: list[tuple[float, float]]
    loss_policy: list[list[float | None]]
    """By bin, then step."""


class Metrics(Answer):
    """A run's curves: columns over optimiser steps."""

    train: dict[str, list[float | None]]
    validation: dict[str, dict[str, list[float | None]]]
    """By set."""


class Bin(Answer):
    """Mean and half width of the 95 % interval over a stretch of the context."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, extra="ignore")

    first: float = Field(alias="from")
    to: float
    mean: float | None
    ci95: float | None = None


class Scores(Answer):
    """What one agent reached in a suite; the fields of results.json that the page shows."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, extra="ignore")

    score_by_step: list[Bin] = []
    curve: list[Bin] = []
    episode_curve: list[Bin] = []
    score_by_episode: list[Bin] = []
    entropy_by_step: list[Bin] = []
    regret_by_step: list[Bin] = []
    regret: float | None = None
    """Steps' worth of the oracle's advantage lost in the whole context."""
    by_episode: dict[str, Any] | None = None
    """As the paper counts: best, steps and episodes to it."""
    bottom_quintile: float | None = None
    action_score_by_step: list[Bin] = []
    best: float | None = None
    steps_to_best: float | None = None
    asymptote: float | None = None
    success: float | None = None
    episodes: float | None = None
    worlds: float | None = None


class Suite(Answer):
    """The model beside the baselines on the same worlds."""

    model: Scores | None
    baselines: dict[str, Scores]
    left_out: int | None
    """Worlds without a score by step, too flat to order."""
    paper: str | None = None
    """Its row in the paper's Table 1."""


class Evaluation(Answer):
    """One results.json."""

    path: str
    """Relative to the run."""
    modified: float
    families: list[str]
    """Families trained on."""
    suites: dict[str, Suite]
    faults: list[Fault]


class Overview(Answer):
    """Everything found, at a glance."""

    datasets: list[DatasetSummary]
    runs: list[RunSummary]
    data_roots: list[str]
    run_roots: list[str]
    faults: list[Fault]
    time: float
    """Of the server's clock."""


class Health(Answer):
    """The server's own state."""

    status: str
    version: str
    started: float
    polls: int
    last_poll_seconds: float | None
    datasets: int
    runs: int
    subscribers: int


class Ready(Answer):
    """Whether everything that lay there at start-up was read."""

    ready: bool
    detail: str


class Change(Answer):
    """One server-sent event: what to fetch again."""

    kind: str
    """``overview``, ``dataset``, ``run`` or ``evaluation``."""
    id: str | None
    time: float
