"""The command ``extend``: more shards of the same dataset; what is stored stays, byte for byte.

A sequence depends on the recipe and its number alone, so the longer dataset is the one that the longer recipe would
have given at once. Only the metadata say how long it is: they are replaced, the group's last, while nobody else writes.
"""

from typing import Any

from common.dataset import arrays as coding
from common.dataset import header as headers
from common.dataset.header import Header
from common.dataset.reader import StoredDataset, committed, existing_header, open_stored
from common.dataset.store import Store
from common.errors import DataError, UsageError
from common.synthesis.recipe import Recipe
from datagen import holding
from datagen.holding import Holding
from datagen.plan import Plan, make_plan
from datagen.run import Execution, run


def extend(url: str, sequences: int | None = None, recipe: Recipe | None = None, **how: Any) -> None:
    """Make a dataset longer; the same command again goes on where it was left.

    Args:
        url: The dataset.
        sequences: How many it shall have in all, rounded up to whole shards; the recipe's number, where None.
        recipe: What it is to be a dataset of; its own recipe, where None.
        how: The fields of ``datagen.run.Execution``, by name.

    Raises:
        UsageError: The dataset is another recipe's (what differs is named), it would shrink, it does not fit, or
            another command holds it; nothing was touched.
        DataError: Shards were set aside, or what is stored contradicts the recipe.
    """
    execution = Execution(**how)
    dataset = open_stored(url)
    plan = _plan(dataset, sequences, recipe)
    holding.check_free(dataset.store, takeover=execution.takeover, wait=execution.wait)
    plan.check_space(dataset.store, plan.shards - len(committed(dataset.store)))
    if plan.header.sequences > len(dataset):
        with Holding(dataset.store, "extend", takeover=execution.takeover, wait=execution.wait):
            _grow(dataset.store, plan)
    run(plan.recipe, url, **how)


def _plan(dataset: StoredDataset, sequences: int | None, recipe: Recipe | None) -> Plan:
    """Return the plan of the longer dataset.

    Raises:
        UsageError: It is not the same dataset, or not longer.
    """
    given = dataset.recipe if recipe is None else recipe
    if sequences is None and recipe is None:
        raise UsageError("extend needs to know how long the dataset shall be; give --sequences N, or a longer --recipe")
    wanted = {"sequences": sequences or given.sequences, "sequences_per_shard": dataset.sequences_per_shard}
    plan = make_plan(given.model_copy(update=wanted))
    if plan.header.identity != dataset.identity:
        lines = "\n  ".join(headers.differences(plan.header, dataset.header))
        raise UsageError(f"{dataset.url} is a dataset of something else, so it cannot grow by this:\n  {lines}")
    if plan.header.sequences < len(dataset):
        raise UsageError(
            f"a dataset never shrinks; {dataset.url} has {len(dataset)} sequences, asked for {plan.header.sequences}: "
            "ask for more, or make a shorter one elsewhere"
        )
    return plan


def _grow(store: Store, plan: Plan) -> None:
    """Replace the metadata: the arrays' first, then the group's, from which readers learn of it.

    Raises:
        DataError: The dataset changed meanwhile, or the store cannot be written.
    """
    now = existing_header(store)
    if now is None or now.identity != plan.header.identity or now.sequences > plan.header.sequences:
        raise DataError(f"{store.url} was changed meanwhile; give the same command again")
    header = _longer(now, plan)
    objects = coding.metadata_objects(header, headers.attributes_of(header))
    for key in sorted(objects, key=lambda key: key == coding.METADATA):
        store.put(key, objects[key], durable=True)


def _longer(now: Header, plan: Plan) -> Header:
    made = {name: plan.header.provenance[name] for name in ("version", "commit", "created")}
    history = [*now.provenance.get("extended", []), {**made, "from_sequences": now.sequences}]
    return now.model_copy(
        update={
            "sequences": plan.header.sequences,
            "recipe": {**now.recipe, "sequences": plan.recipe.sequences},
            "provenance": {**now.provenance, "extended": history},
        }
    )
