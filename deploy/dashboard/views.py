"""What the API answers about worlds, recorded sequences and the cluster."""

from deploy.dashboard.models import Answer


class WorldView(Answer):
    """A world as its picture shows it: states by rank."""

    family: str
    seed: str
    """Of 64 bits, as text: JavaScript's numbers end at 53."""
    states: int
    actions: int
    discount: float
    transition: list[list[float]]
    """P(s'|s) of the uniform policy."""
    optimal_transition: list[list[float]]
    value: list[float]
    random_value: list[float]
    level: list[float]
    """The value; of a terminal state the mean reward of entering it."""
    roles: dict[str, list[int]]
    """States by role: start, pitfall, goal."""
    terminal: list[int]
    symbol: list[int]
    hidden: bool


class Episode(Answer):
    """An episode that ended inside a sequence."""

    begin: int
    end: int
    """Its break row."""
    total: float
    """Its return."""
    terminated: bool


class Acted(Answer):
    """Rows by tag 0..9 in a stretch of a sequence."""

    first: int
    to: int
    tags: list[int]


class SequenceView(Answer):
    """A recorded sequence: its world, who acted, what came of it."""

    sequence: int
    shard: int
    family: str | None
    seed: str | None
    world: WorldView | None
    world_fault: str | None
    n_s: int | None
    n_a: int | None
    action_map: list[int]
    oracle_value: float | None
    random_value: float | None
    total: float | None
    behaviours: list[tuple[int, str]]
    rejections: dict[str, int]
    episodes: list[Episode]
    rewards: list[tuple[int, float]]
    """Rows, and all reward paid until there."""
    acted: list[Acted]


class Node(Answer):
    """A machine of a Ray cluster."""

    id: str
    address: str
    state: str
    head: bool
    resources: dict[str, float]


class Actor(Answer):
    """An actor of a Ray cluster."""

    id: str
    kind: str
    state: str
    node: str
    pid: int | None
    cause: str | None
    """Of its death."""


class Cluster(Answer):
    """Ray's own view, where it answers."""

    address: str | None
    reachable: bool
    detail: str
    nodes: tuple[Node, ...] = ()
    actors: tuple[Actor, ...] = ()
