"""Measures storage on one shard of a recipe: bytes a step by field and codec, and what writing and checking it cost.

All times are CPU time of all threads, so that other work on the machine counts little; medians of three.
"""

import hashlib
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from common.dataset import catalog, shard_codec
from common.dataset.alternatives import CODECS, PIPELINES, open_for_writing
from common.dataset.digest import row_digests
from common.dataset.header import Header
from common.dataset.layout import ArraySpec
from common.dataset.reader import open_stored
from common.dataset.writer import create_dataset
from common.synthesis.generate import generate
from common.synthesis.recipe import load
from common.synthesis.sequences import Sequences
from datagen.bench import machine
from datagen.check import Depth, check_shard
from datagen.plan import make_plan

REFERENCE_BYTES = 24
"""Bytes a step of the original's record files (six arrays of 4 bytes)."""
REPEATS = 3


def bench_storage(recipe: str, overrides: list[str] | None = None) -> dict[str, Any]:
    """Make one shard of a recipe, and store, read and check it in every way, in a temporary folder.

    Args:
        recipe: A shipped recipe's name, or a TOML file.
        overrides: Settings of it; the number of sequences is one shard whatever they say.

    Raises:
        UsageError: There is no such recipe.
    """
    chosen = load(recipe, overrides or [])
    chosen = chosen.model_copy(update={"sequences": chosen.sequences_per_shard})
    header = make_plan(chosen).header
    generate(chosen, 0, 1)  # compiles
    generating, made = _timed(lambda: generate(chosen, 0, header.sequences), once=True)
    values = made.arrays()
    steps = header.sequences * header.length
    with tempfile.TemporaryDirectory() as folder:
        return {
            "machine": machine(),
            "recipe": chosen.name,
            "sequences": header.sequences,
            "length": header.length,
            "reference_bytes_per_step": REFERENCE_BYTES,
            "bytes_per_step": _sizes(header, values, steps),
            "pipelines": _pipelines(header, values, Path(folder)),
            "checks": _checks(header, made, Path(folder) / "d"),
            "seconds_per_shard": {"generate": generating, **_parts(header, made, Path(folder) / "e")},
        }


def _sizes(header: Header, values: Mapping[str, np.ndarray], steps: int) -> list[dict[str, Any]]:
    """Return, per codec, bytes a step of every field, and megabytes raw a second of encoding."""
    rows = []
    raw = sum(array.nbytes for array in values.values())
    specs = header.arrays()
    for name, codec in CODECS.items():
        seconds, sizes = _timed(partial(_encoded, specs, values, codec))
        fields = {field: size / steps for field, size in sizes.items()}
        rate = None if codec is None else raw / 1e6 / seconds
        rows.append({"codec": name, **fields, "all": sum(fields.values()), "encode_mb_per_second": rate})
    return rows


def _encoded(specs: Mapping[str, ArraySpec], values: Mapping[str, np.ndarray], codec: Any) -> dict[str, int]:
    """Return the bytes of every field where each inner chunk is encoded by a codec."""
    if codec is None:
        return {name: array.nbytes for name, array in values.items()}
    return {
        name: sum(len(codec.encode(np.ascontiguousarray(values[name][place]))) for place in shard_codec.places(spec))
        for name, spec in specs.items()
    }


def _pipelines(header: Header, values: Mapping[str, np.ndarray], folder: Path) -> list[dict[str, Any]]:
    """Return, per pipeline, megabytes raw a CPU second of writing and of reading the shard."""
    raw = sum(array.nbytes for array in values.values()) / 1e6
    specs = header.arrays()
    writing, objects = _timed(lambda: {name: shard_codec.encode(spec, values[name]) for name, spec in specs.items()})
    reading, _ = _timed(lambda: [shard_codec.decode(spec, objects[name]) for name, spec in specs.items()])
    rows = [{"pipeline": "omnirl", "write": raw / writing, "read": raw / reading}]
    for title in PIPELINES:
        stored = open_for_writing(header, folder / title, title)
        writing, _ = _timed(partial(_write_all, stored, values))
        reading, _ = _timed(partial(_read_all, stored))
        rows.append({"pipeline": title, "write": raw / writing, "read": raw / reading})
    return rows


def _write_all(stored: Mapping[str, Any], values: Mapping[str, np.ndarray]) -> None:
    for name, array in stored.items():
        array[...] = values[name]


def _read_all(stored: Mapping[str, Any]) -> None:
    for array in stored.values():
        array[...]


def _checks(header: Header, made: Sequences, folder: Path) -> dict[str, float]:
    """Return stored megabytes a CPU second of both kinds of verify, and of SHA-256 alone."""
    writer = create_dataset(str(folder), header)
    size = writer.write_shard(0, made.arrays(), made.rows).stored_bytes / 1e6
    dataset = open_stored(str(folder))
    quick, _ = _timed(lambda: check_shard(dataset, 0, Depth.OBJECTS))
    full, _ = _timed(lambda: check_shard(dataset, 0, Depth.ROWS))
    data = bytes(64 << 20)
    hashing, _ = _timed(lambda: hashlib.sha256(data).digest())
    return {"quick": size / quick, "full": size / full, "sha256": len(data) / 1e6 / hashing}


def _parts(header: Header, made: Sequences, folder: Path) -> dict[str, float]:
    """Return CPU seconds of what follows the making of a shard's data."""
    values, specs = made.arrays(), header.arrays()
    encoding, objects = _timed(lambda: {name: shard_codec.encode(spec, values[name]) for name, spec in specs.items()})
    hashing, stored = _timed(
        lambda: [catalog.StoredObject.of(name, specs[name].key(0), data) for name, data in objects.items()]
    )
    digesting, _ = _timed(lambda: [row_digests(array) for array in values.values()])
    footer = catalog.summarise(header.identity, 0, values, made.rows, stored)

    def describe() -> None:
        catalog.summarise(header.identity, 0, values, made.rows, stored)
        catalog.encode(footer, values, made.rows)

    cataloguing, _ = _timed(describe)
    places = (str(folder / str(number)) for number in itertools.count())
    whole, _ = _timed(lambda: create_dataset(next(places), header).write_shard(0, values, made.rows))
    parts = {"encode": encoding, "digests": hashing + digesting, "catalog": cataloguing - digesting}
    return {**parts, "write": max(0.0, whole - sum(parts.values()))}


def _timed(work: Callable[[], Any], *, once: bool = False) -> tuple[float, Any]:
    """Return the CPU seconds of some work, the median of several times, and what it returned."""
    seconds, result = [], None
    for _ in range(1 if once else REPEATS):
        begun = time.process_time()
        result = work()
        seconds.append(time.process_time() - begun)
    return max(statistics.median(seconds), 1e-9), result


def table(facts: dict[str, Any]) -> str:
    """Return the results as lines of text: the tables of docs/dataset.md."""
    fields = [key for key in facts["bytes_per_step"][0] if key not in ("codec", "all", "encode_mb_per_second")]
    lines = [
        f"{facts['machine']['processor']}; one shard of {facts['recipe']}: {facts['sequences']:,} sequences of "
        f"{facts['length']:,} rows",
        "",
        "| bytes a step | " + " | ".join([*fields, "all", "MB/s encoding"]) + " |",
        "|---|" + "---|" * (len(fields) + 2),
    ]
    for row in facts["bytes_per_step"]:
        rate = "" if row["encode_mb_per_second"] is None else f"{row['encode_mb_per_second']:,.0f}"
        numbers = [f"{row[name]:.3f}" for name in (*fields, "all")]
        lines.append(f"| {row['codec']} | " + " | ".join([*numbers, rate]) + " |")
    lines += [f"| the original's files | {' | ' * len(fields)}{facts['reference_bytes_per_step']} | |", ""]
    lines += ["| pipeline | write, MB/s | read, MB/s |", "|---|---|---|"]
    lines += [f"| {row['pipeline']} | {row['write']:,.0f} | {row['read']:,.0f} |" for row in facts["pipelines"]]
    checks = facts["checks"]
    lines += [
        "",
        f"verify, stored MB/s a core: quick {checks['quick']:,.0f}, full {checks['full']:,.0f} "
        f"(SHA-256 alone {checks['sha256']:,.0f})",
    ]
    parts = facts["seconds_per_shard"]
    rest = sum(parts.values()) - parts["generate"]
    lines.append(
        "CPU seconds a shard: "
        + ", ".join(f"{name} {seconds:.2f}" for name, seconds in parts.items())
        + f"; storage costs {rest / parts['generate']:.0%} of generating"
    )
    return "\n".join(lines)
