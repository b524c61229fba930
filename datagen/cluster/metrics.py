"""The driver's view as Prometheus metrics, exported by Ray's own agents (``ray_omnirl_...`` in a scrape)."""

from ray.util.metrics import Counter, Gauge

from common.dataset.status import Queue


class Metrics:
    """Gauges and counters of one run; ``dataset`` is their only tag beside Ray's own.

    ``omnirl_shards{state}`` (committed, waiting, in_flight, set_aside), ``omnirl_actors``,
    ``omnirl_steps_per_second``, ``omnirl_seconds_left``, ``omnirl_oldest_shard_seconds``,
    ``omnirl_shards_committed_total``.
    """

    def __init__(self, dataset: str) -> None:
        tags = ("dataset",)
        self._shards = Gauge("omnirl_shards", "Shards of the dataset by state", tag_keys=("dataset", "state"))
        self._plain = {
            "workers": Gauge("omnirl_actors", "Actors that are ready", tag_keys=tags),
            "steps_per_second": Gauge("omnirl_steps_per_second", "Rows made a second", tag_keys=tags),
            "seconds_left": Gauge("omnirl_seconds_left", "Seconds to the end at this pace", tag_keys=tags),
        }
        self._oldest = Gauge("omnirl_oldest_shard_seconds", "Age of the oldest shard in flight", tag_keys=tags)
        self._done = Counter("omnirl_shards_committed_total", "Shards committed in this run", tag_keys=tags)
        for metric in (self._shards, *self._plain.values(), self._oldest, self._done):
            metric.set_default_tags({"dataset": dataset})
        self._committed: int | None = None

    def __call__(self, queue: Queue) -> None:
        """Take a new view."""
        for state in ("committed", "waiting", "in_flight", "set_aside"):
            self._shards.set(getattr(queue, state), {"state": state})
        for name, gauge in self._plain.items():
            value = getattr(queue, name)
            if value is not None:
                gauge.set(value)
        self._oldest.set(queue.oldest[0].seconds if queue.oldest else 0.0)
        new = queue.committed - (queue.committed if self._committed is None else self._committed)
        if new > 0:
            self._done.inc(new)
        self._committed = queue.committed
