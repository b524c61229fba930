"""Finds committed shards that are damaged and takes their commitment back, so that the run makes them again.

First the catalog file goes, then the objects that are not what it promised: nobody trusts an object without its catalog
file. What is sound of such a shard stays, and the writer keeps it.
"""

from collections.abc import Callable

from common.dataset import arrays, catalog
from common.dataset.header import attributes_of
from common.dataset.reader import StoredDataset
from common.dataset.store import Store
from common.errors import DataError
from datagen.check import Depth, check_shard
from datagen.in_order import in_order


def repair(
    dataset: StoredDataset, depth: Depth, look: Callable[[], object], note: Callable[[str], object]
) -> list[int]:
    """Take back every committed shard that is damaged; return their numbers. The caller holds the dataset.

    Args:
        dataset: What to check.
        depth: How closely: objects' sizes or stored bytes.
        look: Called after every shard; what it raises ends the check.
        note: Told what is damaged, a line each.

    Raises:
        DataError: The store does not answer.
    """
    _repair_metadata(dataset, note)
    store, damaged = dataset.store, []
    for found in in_order(lambda shard: check_shard(dataset, shard, depth), sorted(dataset.committed())):
        look()
        if found.faults and found.committed:
            for fault in found.faults:
                note(f"damaged, made again: {fault}")
            _take_back(store, found.shard, found.damaged)
            damaged.append(found.shard)
    return damaged


def _take_back(store: Store, shard: int, objects: list[str]) -> None:
    store.delete(catalog.name(shard))
    for key in objects:
        store.delete(key)


def _repair_metadata(dataset: StoredDataset, note: Callable[[str], object]) -> None:
    """Write the arrays' ``zarr.json`` anew where one is missing, damaged or says something else than the group's."""
    try:
        dataset.check_arrays()
    except DataError as error:
        note(f"damaged, written anew: {error}")
        objects = arrays.metadata_objects(dataset.header, attributes_of(dataset.header))
        for key in objects.keys() - {arrays.METADATA}:
            dataset.store.put(key, objects[key], durable=True)
        dataset.forget_arrays()
