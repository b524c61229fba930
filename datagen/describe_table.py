"""A dataset's facts as a table for a terminal."""

from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.table import Table


def show(facts: dict[str, Any], console: Console | None = None) -> None:
    """Print the facts of ``datagen.describe.describe``."""
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in _lines(facts):
        table.add_row(f"[bold]{name}[/bold]" if name else "", value)
    (console or Console()).print(table)


def _lines(facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    dataset, size = facts["dataset"], facts["size"]
    yield "dataset", f"{dataset['name']} at {dataset['url']} ({dataset['origin']}, identity {dataset['identity'][:12]})"
    yield "size", f"{size['sequences']:,} sequences of {dataset['length']:,} rows, {size['steps']:,} steps"
    holes = f", set aside: {size['holes']}" if size["holes"] else ""
    yield "shards", f"{size['committed']:,} of {size['shards']:,} committed{holes}"
    if facts["exact"]:
        parts = ", ".join(f"{name} {share:.3f}" for name, share in size["bytes_per_step_by_array"].items())
        yield "stored", f"{size['stored_bytes'] / 1e6:,.1f} MB, {size['bytes_per_step']:.3f} B a step ({parts})"
    yield "symbols", f"{dataset['vocabulary']} observations, {dataset['actions']} actions, label: {dataset['label']}"
    for number, (family, fact) in enumerate(facts["families"].items()):
        yield "" if number else "families", f"{fact['share']:7.2%}  {family}{_world(facts['worlds'].get(family, {}))}"
    for number, (tag, fact) in enumerate((t, f) for t, f in facts["tags"].items() if f["count"]):
        yield "" if number else "tags", f"{fact['share']:7.2%}  {tag}"
    for number, (kind, fact) in enumerate(facts["behaviours"].items()):
        score = fact["score"]
        quality = f", score {score['p50']:.2f} ({score['p05']:.2f} to {score['p95']:.2f})" if score else ""
        yield "" if number else "behaviours", f"{fact['share_of_rows']:7.2%}  {kind}{quality}"
    episodes, rewards = facts["episodes"], facts["rewards"]
    if episodes["length"]:
        ended = f"{episodes['ended']:,} ended, {episodes['terminated_share']:.1%} of them terminated; steps "
        yield "episodes", ended + _spread(episodes["length"])
    yield "rewards", f"{_spread(rewards)}; {rewards['zero_share']:.1%} zero, largest {rewards['largest']:.3g}"
    dropped = facts["rejections"]
    checks = ", ".join(f"{check} {count:,}" for check, count in dropped["dropped"].items())
    yield "rejections", f"{dropped['rate']:.1%} of candidate worlds dropped" + (f" ({checks})" if checks else "")
    yield from _labels(facts["labels"])
    if facts["coverage"]:
        rows, mean = facts["coverage"]["rows"], facts["coverage"]["mean"]
        some = sorted({len(rows) // 3, 2 * len(rows) // 3, len(rows) - 1})
        yield "states seen", ", ".join(f"{mean[i]:.0%} after {rows[i]:,} rows" for i in some)
    looked = f"{facts['sampled']['sequences']:,} sequences, {facts['sampled']['worlds']:,} worlds"
    yield "looked at", f"{looked}, for distributions; sums are over all shards" if facts["exact"] else looked


def _labels(labels: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if not labels["labelled_share"]:
        yield "labels", "none"
        return
    yield (
        "labels",
        f"entropy {labels['tie_entropy_bits']:.2f} bits a row, {labels['sequence_entropy_bits']:.2f} a sequence, "
        f"{labels['marginal_entropy_bits']:.2f} in all (uniform {labels['uniform_entropy_bits']:.2f})",
    )
    right = ", ".join(f"{tag} {share:.0%}" for tag, share in labels["right_by_tag"].items())
    yield "", f"recorded action optimal, by tag: {right}"


def _world(world: dict[str, Any]) -> str:
    if "n_s" not in world:
        return ""
    text = f", {_span(world['n_s'])} states, {_span(world['n_a'])} actions"
    if "oracle_value" in world:
        text += (
            f", value {world['random_value']['p50']:.2f} random, {world['oracle_value']['p50']:.2f} oracle (medians)"
        )
    return text


def _spread(facts: dict[str, Any]) -> str:
    return f"mean {facts['mean']:.3g}, median {facts['p50']:.3g} ({facts['p05']:.3g} to {facts['p95']:.3g})"


def _span(facts: dict[str, Any]) -> str:
    low, high = round(facts["p01"]), round(facts["p99"])
    return f"{low}" if low == high else f"{low}-{high}"
