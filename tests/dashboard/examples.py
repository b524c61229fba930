"""A small dataset and run laid out by the real writers of datasets, and by the documented format elsewhere."""

import itertools
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from common.dataset.header import Header
from common.dataset.schema import array_types
from common.dataset.status import ShardRecord, StatusWriter
from common.dataset.store import open_store
from common.dataset.writer import DatasetWriter, create_dataset

LENGTH, PER_SHARD, VOCABULARY, ACTIONS = 32, 4, 16, 5


def header(shards: int = 6, identity: str = "a" * 64) -> Header:
    return Header(
        sequences=shards * PER_SHARD,
        length=LENGTH,
        sequences_per_shard=PER_SHARD,
        vocabulary=VOCABULARY,
        actions=ACTIONS,
        recipe={"name": "example", "seed": 7},
        identity=identity,
        label="oracle",
    )


def write_shard(writer: DatasetWriter, shard: int) -> None:
    rng = np.random.default_rng(shard)
    types = array_types(VOCABULARY, ACTIONS)
    limits = {"observation": VOCABULARY, "action": ACTIONS, "reward": 2, "tag": 7, "oracle": 32}
    arrays = {
        name: rng.integers(0, limits[name], writer.header.shard_shape(name)).astype(kind)
        for name, kind in types.items()
    }
    rows = [_row(shard * PER_SHARD + k, shard) for k in range(PER_SHARD)]
    writer.write_shard(shard, arrays, rows)


def _row(sequence: int, seed: int) -> dict[str, Any]:
    return {
        "sequence": sequence,
        "family": ("garnet", "gridworld", "anymdp")[sequence % 3],
        "version": 1,
        "parameters": "{}",
        "seed": seed,
        "n_s": 8,
        "n_a": 3,
        "behaviours": [(0, "random"), (12, "q-learning")],
        "action_map": [0, 1, 2, 0, 1],
        "episodes": 2,
        "return": 1.5,
        "oracle_value": 2.0,
        "random_value": 0.5,
        "rejections": {"too easy": 2},
        "symbol": list(range(8)),
    }


def dataset(folder: Path, committed: int = 4, shards: int = 6) -> DatasetWriter:
    """Make a dataset with some of its shards committed and one writer's status."""
    writer = create_dataset(str(folder), header(shards))
    with StatusWriter(open_store(str(folder)), "inline") as status:
        for shard in range(committed):
            write_shard(writer, shard)
            record = ShardRecord(shard=shard, seconds=0.5, sequences=PER_SHARD, steps=PER_SHARD * LENGTH)
            status.shard_done(record)
        status.event("failed", 3, "the disk is full")
    return writer


def train_row(step: int, moment: float, total: int = 400) -> dict[str, Any]:
    done = step / total
    return {
        "kind": "train",
        "step": step,
        "time": moment,
        "loss": 3.2 * np.exp(-2.2 * done) + 0.9,
        "loss_policy": 1.35 * np.exp(-max(0.0, done - 0.2) * 2) + 0.1,
        "loss_observation": 2.4 * np.exp(-4 * done) + 0.4,
        "loss_reward": 0.08 * np.exp(-3 * done) + 0.02,
        "loss_break": 0.3 * np.exp(-5 * done) + 0.06,
        "gradient_norm": 1.0 + 0.3 * np.cos(step),
        "learning_rate": 0.003 * (1 - done),
        "environment_steps": step * 16384,
        "steps_per_second": 31000 + 900 * np.sin(step / 9),
        "loader_wait": 0.02,
        "cpu_cores": 1.6 + 0.1 * np.sin(step / 5),
        "memory_bytes": 4.1e8,
    }


def validation_rows(step: int, moment: float, total: int = 400) -> list[dict[str, Any]]:
    rows = []
    for index, name in enumerate(("unseen", "unseen-without-oracle")):
        row = train_row(step, moment, total) | {"kind": "validation", "set": name}
        row["loss_policy"] += 0.1 + 0.1 * index
        row["accuracy"] = 0.3 + 0.5 * step / total
        row["by_position"] = [
            {"from": 0 if k == 0 else 2**k, "to": 2 ** (k + 1), "loss_policy": 1.5 / (1 + 0.3 * k * step / total)}
            for k in range(9)
        ]
        rows.append(row)
    rows[1]["accuracy_random_context"] = 0.2 + 0.4 * step / total
    return rows


def run(folder: Path, steps: int = 400, total: int = 400, age: float = 0.0, interval: int = 10) -> Path:
    """Write a training run of ``total`` steps that has done ``steps``, its newest row ``age`` seconds old."""
    folder.mkdir(parents=True)
    description = {
        "recipe": {"name": "tiny", "seed": 0, "batch": 64},
        "model": {"width": 64, "layers": 3, "heads": 2},
        "dataset_identity": "a" * 64,
        "versions": {"torch": "2.13.0"},
        "steps": total,
    }
    (folder / "run.json").write_text(json.dumps(description))
    newest = time.time() - age
    with open(folder / "metrics.jsonl", "w", encoding="utf-8") as file:
        for step in range(interval, steps + 1, interval):
            moment = newest - (steps - step) * 0.5
            file.write(json.dumps(train_row(step, moment, total)) + "\n")
            if step % (interval * 10) == 0:
                for row in validation_rows(step, moment, total):
                    file.write(json.dumps(row) + "\n")
                path = f"checkpoints/step-{step:08d}"
                row = {"kind": "checkpoint", "step": step, "time": moment, "path": path}
                file.write(json.dumps(row) + "\n")
    return folder


def results(folder: Path) -> Path:
    """Write an evaluation's results.json."""
    folder.mkdir(parents=True)
    edges = [0, 50, 100, 200, 400]
    bins = list(itertools.pairwise(edges))

    def scores(level: float, speed: float) -> dict[str, Any]:
        means = [level * (1 - np.exp(-speed * (a + b) / 2 / 100)) for a, b in bins]
        rows = [{"from": a, "to": b, "mean": m, "ci95": 0.03} for (a, b), m in zip(bins, means, strict=True)]
        return {
            "score_by_step": rows,
            "action_score_by_step": rows,
            "score_by_episode": [],
            "best": means[-1],
            "steps_to_best": 350,
            "asymptote": level,
            "success": level,
            "episodes": 21.5,
            "worlds": 256,
        }

    suite = {
        "model": scores(0.74, 1.6),
        "baselines": {
            "random": scores(0.0, 1.0),
            "oracle": scores(1.0, 50.0),
            "q-learning": scores(0.76, 0.7),
            "q-learning-count-bonus": scores(0.85, 1.4),
        },
    }
    document = {"families": ["garnet", "gridworld"], "suites": {"small": suite, "frozenlake": suite}}
    path = folder / "results.json"
    path.write_text(json.dumps(document))
    return path


def driver_status(folder: Path, age: float = 0.0) -> None:
    """Write what a driver and two actors of a cluster leave, one of them lost."""
    now = time.time() - age
    part = {"host": "one", "pid": 7, "from": now - 120, "to": now, "finished": False, "shards": [], "events": []}
    sizes = {"16": {"sequences": 4, "steps": 128, "seconds": 0.25}}
    queue = {
        "shards": 6,
        "committed": 4,
        "waiting": 0,
        "in_flight": 1,
        "set_aside": 1,
        "workers": 2,
        "steps_per_second": 900.0,
        "seconds_left": 4.0,
        "oldest": [{"shard": 4, "worker": "a", "seconds": 3.0}],
    }
    lost = {"time": now - 9, "kind": "lost", "shard": 4, "message": "actor a", "cause": "out of memory"}
    files = {
        "driver~x": part | {"writer": "driver~x", "kind": "driver", "queue": queue, "events": [lost, lost]},
        "actor~a": part
        | {
            "writer": "actor~a",
            "kind": "actor",
            "node": "node-1",
            "shards": [
                {"shard": 0, "time": now - 90, "seconds": 0.5, "sequences": 4, "steps": 128, "sizes": sizes},
                {"shard": 1, "time": now - 20, "seconds": 0.5, "sequences": 4, "steps": 128, "sizes": sizes},
            ],
        },
    }
    for name, value in files.items():
        (folder / "status" / name).mkdir(parents=True)
        (folder / "status" / name / "000000.json").write_text(json.dumps(value))
    holder = {"command": "run", "host": "one", "pid": 7, "since": now - 120, "heartbeat": now}
    (folder / "status" / "holder.json").write_text(json.dumps(holder))
    holes = {"shards": {"5": {"attempts": 5, "cause": "ValueError: no", "time": now}}}
    (folder / "status" / "holes.json").write_text(json.dumps(holes))
