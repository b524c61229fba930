"""What is known, as Prometheus reads it: progress, rates, losses and restarts of every dataset and run."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from deploy.dashboard.models import DatasetDetail, RunDetail, State
from deploy.dashboard.sources import Sources

TYPE = "text/plain; version=0.0.4; charset=utf-8"
LOSSES = ("loss", "loss_policy", "loss_observation", "loss_reward", "loss_break", "gradient_norm", "loader_wait")


class _Collected(Collector):
    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def collect(self) -> Iterator[Metric]:
        """Yield every figure of every dataset and run."""
        yield from _datasets([source.detail for source in [*self._sources.datasets.values()] if source.detail])
        yield from _runs([source.detail for source in [*self._sources.training.values()] if source.detail])


def exposition(sources: Sources) -> bytes:
    """Return the text of ``/metrics``."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected(sources))
    return generate_latest(registry)


def _datasets(found: list[DatasetDetail]) -> Iterator[Metric]:
    shards = GaugeMetricFamily("omnirl_dataset_shards", "Shards by state.", labels=["dataset", "state"])
    steps = GaugeMetricFamily("omnirl_dataset_steps", "Steps in committed shards.", labels=["dataset"])
    stored = GaugeMetricFamily("omnirl_dataset_bytes", "Bytes of committed shards.", labels=["dataset"])
    rate = GaugeMetricFamily("omnirl_dataset_steps_per_second", "Steps generated a second.", labels=["dataset"])
    state = GaugeMetricFamily("omnirl_dataset_state", "1 for the state it is in.", labels=["dataset", "state"])
    writers = GaugeMetricFamily("omnirl_dataset_writers", "Writers by state.", labels=["dataset", "state"])
    lost = CounterMetricFamily("omnirl_dataset_lost", "Actors lost, by cause.", labels=["dataset", "cause"])
    faults = GaugeMetricFamily("omnirl_dataset_faults", "Files that cannot be read.", labels=["dataset"])
    for one in found:
        shards.add_metric([one.id, "committed"], one.committed)
        shards.add_metric([one.id, "set_aside"], len(one.failed_shards))
        if one.shards is not None:
            shards.add_metric([one.id, "asked_for"], one.shards)
        steps.add_metric([one.id], one.steps)
        stored.add_metric([one.id], one.stored_bytes or 0)
        rate.add_metric([one.id], one.steps_per_second or 0.0)
        faults.add_metric([one.id], len(one.faults))
        for each in State:
            state.add_metric([one.id, each], float(one.state is each))
            writers.add_metric([one.id, each], sum(writer.state is each for writer in one.writers))
        for loss in one.losses:
            lost.add_metric([one.id, loss.name], loss.count)
    yield from (shards, steps, stored, rate, state, writers, lost, faults)


def _runs(found: list[RunDetail]) -> Iterator[Metric]:
    step = GaugeMetricFamily("omnirl_run_step", "Optimiser steps done.", labels=["run"])
    planned = GaugeMetricFamily("omnirl_run_steps_planned", "Optimiser steps planned.", labels=["run"])
    rate = GaugeMetricFamily("omnirl_run_steps_per_second", "Environment steps a second.", labels=["run"])
    value = GaugeMetricFamily("omnirl_run_value", "Newest training figure, by name.", labels=["run", "name"])
    accuracy = GaugeMetricFamily("omnirl_run_accuracy_random_context", "Greedy action right.", labels=["run"])
    restarts = CounterMetricFamily("omnirl_run_restarts", "Times the run went on.", labels=["run"])
    updated = GaugeMetricFamily("omnirl_run_updated_seconds", "Unix time of the newest row.", labels=["run"])
    state = GaugeMetricFamily("omnirl_run_state", "1 for the state it is in.", labels=["run", "state"])
    for one in found:
        step.add_metric([one.id], one.step)
        if one.total_steps is not None:
            planned.add_metric([one.id], one.total_steps)
        rate.add_metric([one.id], one.steps_per_second or 0.0)
        for name in LOSSES:
            if name in one.latest:
                value.add_metric([one.id, name], one.latest[name])
        if one.accuracy_random_context is not None:
            accuracy.add_metric([one.id], one.accuracy_random_context)
        restarts.add_metric([one.id], one.restarts)
        if one.updated is not None:
            updated.add_metric([one.id], one.updated)
        for each in State:
            state.add_metric([one.id, each], float(one.state is each))
    yield from (step, planned, rate, value, accuracy, restarts, updated, state)
