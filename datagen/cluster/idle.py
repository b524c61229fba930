"""An actor that makes nothing: what remains is Ray. It imports nothing else, so a hundred start in little time."""

from types import SimpleNamespace


class IdleActor:
    """Takes the calls that ``actor.ShardActor`` takes."""

    def __init__(self, *arguments: object) -> None:
        """Take what a real one takes, and leave it."""

    def ready(self) -> SimpleNamespace:
        """Return at once."""
        import ray

        return SimpleNamespace(node=ray.get_runtime_context().get_node_id())

    def make(self, shard: int) -> int:
        """Return at once."""
        return shard

    def close(self) -> None:
        """Return at once."""
