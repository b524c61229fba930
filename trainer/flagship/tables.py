"""The journal in, a page of tables out: ceilings, parity, speed, what feeds it, what limits it, learning, scores.

python -m trainer.flagship.tables runs/flagship
"""

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common import cli
from common.errors import UsageError
from trainer.flagship.state import SHARE, State

Line = dict[str, Any]
SET = "unseen-without-oracle"


def page(state: State) -> str:
    """Return the whole page, Markdown."""
    parts = [
        _machine(state.lines("machine")),
        _parity(state.lines("kernel"), state.lines("parity")),
        _speed(state.lines("speed")),
        _feed(state.lines("feed")),
        _trace(state.lines("trace")),
        _training(state.share),
        _positions(state.share),
        *(_file(state.share / "evaluation" / name) for name in ("table1.txt", "table2.txt")),
        _left_out(state.lines("skipped", "phase")),
    ]
    return "# The flagship run\n\n" + "\n".join(part for part in parts if part)


def grid(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    rows = [headings, ["---"] * len(headings), *lines]
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)


def _machine(lines: list[Line]) -> str:
    if not lines:
        return ""
    last = lines[-1]
    facts = ", ".join(f"{key} {value}" for key, value in last["facts"].items())
    rows = [
        (f"{one['rows']:,} x {one['inner']:,} x {one['columns']:,}", one["dtype"], f"{one['rate'] / 1e12:,.1f}")
        for one in last["matmul"]
    ]
    upload = ", ".join(f"{name} {rate / 1e9:.1f} GB/s" for name, rate in last["upload"].items())
    return (
        f"## Ceilings, measured in the same run\n{facts}\n\n"
        f"{grid(('matrix product', 'type', 'T operations/s'), rows)}\n"
        f"Copying memory {last['copy'] / 1e9:,.0f} GB/s; to the device: {upload}; "
        f"one small operation {1e6 * last['launch_seconds']:.1f} us.\n"
    )


def _parity(kernels: list[Line], blocks: list[Line]) -> str:
    if not blocks and not kernels:
        return ""
    timed = [
        (
            line["name"],
            line["runs"],
            line["reason"],
            *(_milliseconds(line["seconds"].get(what)) for what in ("kernel", "PyTorch")),
        )
        for line in _newest(kernels, "name")
    ]
    compared = [
        (line["backbone"], line["dtype"], f"{line['off']:.1e}", line["worst"], "yes" if line["agrees"] else "NO")
        for line in _newest(blocks, "backbone", "dtype")
    ]
    return (
        "## Kernels beside their plain forms\n"
        + grid(("recurrence", "what runs", "why", "kernel, ms", "PyTorch, ms"), timed)
        + "\nBlocks here beside the same weights in float32 on the CPU: whole pass and segments, gradients too:\n\n"
        + grid(("block", "type", "largest difference", "where", "agrees"), compared)
    )


def _milliseconds(value: Any) -> str:
    return f"{1e3 * value:.2f}" if isinstance(value, float) else str(value or "-")


def _speed(lines: list[Line]) -> str:
    rows = []
    for line in _newest(lines, "cell"):
        rate = line.get("steps_per_second")
        why = "; ".join(one["why"] for one in line["failures"])
        rows.append(
            (
                line["cell"],
                f"{line['parameters']:,}" if rate else "-",
                f"{line['sequences']} x {line['segment']:,}",
                f"{rate:,.0f}" if rate else "-",
                f"{line['share_of_peak']:.1%}" if rate else "-",
                f"{line['operations_per_step'] / 1e6:,.1f}" if rate else "-",
                f"{line['peak_bytes'] / 2**30:.1f}" if line.get("peak_bytes") else "-",
                "yes" if line["compiled"] else "no",
                why[:90] or "-",
            )
        )
    headings = ("cell", "parameters", "batch", "steps/s", "of peak", "MFLOP", "GiB", "compiled", "given up before")
    return f"## Training speed\n{grid(headings, rows)}" if rows else ""


def _feed(lines: list[Line]) -> str:
    rows = [
        (
            line["stage"],
            f"{line['alone']['steps_per_cpu_second']:,.0f}",
            str(line["workers"]),
            f"{line['steps_per_second']:,.0f}",
            f"{line['times_the_model']:.1f}" if line["times_the_model"] else "-",
        )
        for line in _newest(lines, "stage")
    ]
    headings = ("stage", "steps/s, one core", "workers", "steps/s, all", "times what the model eats")
    return f"## Feeding it, generated while training\n{grid(headings, rows)}" if rows else ""


def _trace(lines: list[Line]) -> str:
    if not lines:
        return ""
    last = lines[-1]
    rows = [
        (f"`{one['name'][:70]}`", f"{one['ms']:.2f}", f"{one['share']:.1%}", f"{one['calls']:.0f}")
        for one in last["top"]
    ]
    return (
        f"## What a step's time goes to\n{last['wall_ms']:.1f} ms a step, busy {last['busy_share']:.1%}, gaps "
        f"{last['gaps_ms']:.1f} ms, {last['launches']:.0f} kernels; the whole table: profile.txt\n\n"
        + grid(("kernel", "ms a step", "share", "calls"), rows)
    )


def _training(share: Path) -> str:
    rows = []
    for path in sorted(share.glob("*-metrics.jsonl")):
        lines = [json.loads(text) for text in path.read_text(encoding="utf-8").splitlines()]
        train = [line for line in lines if line["kind"] == "train"]
        last = [line for line in lines if line.get("set") == SET]
        if train:
            rates = sorted(line["steps_per_second"] for line in train)
            waits = sum(line["loader_wait"] for line in train) / len(train)
            rows.append(
                (
                    path.name.removesuffix("-metrics.jsonl"),
                    f"{train[-1]['step']:,}",
                    f"{train[-1]['environment_steps'] / 1e6:,.2f}",
                    f"{rates[len(rates) // 2]:,.0f}",
                    f"{waits:.2%}",
                    f"{last[-1]['loss_policy']:.4f}" if last else "-",
                    f"{last[-1]['accuracy_random_context']:.3f}" if last else "-",
                )
            )
    headings = (
        "stage",
        "updates",
        "M steps",
        "steps/s",
        "loader wait",
        "policy loss, unseen, no oracle",
        "right after random",
    )
    return f"## Training\n{grid(headings, rows)}" if rows else ""


def _positions(share: Path) -> str:
    """Return the last validation's policy loss by position in the context, and its fall with every doubling."""
    found: Line = {}
    for path in sorted(share.glob("*-metrics.jsonl")):
        lines = [json.loads(text) for text in path.read_text(encoding="utf-8").splitlines()]
        found = next((line for line in reversed(lines) if line.get("set") == SET), found)
    if not found:
        return ""
    bins = [one for one in found["by_position"] if one.get("loss_policy") is not None]
    rows = [(f"{one['from']:,}-{one['to']:,}", f"{one['loss_policy']:.4f}") for one in bins]
    return (
        f"## Loss by position in the context\n{grid(('rows', 'policy loss'), rows)}\n{_slope(bins)} In the paper it "
        "falls about linearly in log(context), to 20K steps.\n"
    )


def _slope(bins: list[Line]) -> str:
    """Return in words how straight the loss falls in the logarithm of the position, from row 8 on."""
    points = [(math.log2(0.5 * (one["from"] + one["to"])), one["loss_policy"]) for one in bins if one["from"] >= 8]
    if len(points) < 3:
        return "Too few bins to tell a slope."
    mean_x, mean_y = (sum(column) / len(points) for column in zip(*points, strict=True))
    xx = sum((x - mean_x) ** 2 for x, _ in points)
    xy = sum((x - mean_x) * (y - mean_y) for x, y in points)
    yy = sum((y - mean_y) ** 2 for _, y in points)
    return (
        f"It changes by {xy / xx:+.4f} nats with every doubling from row 8 on (r2 {xy * xy / max(xx * yy, 1e-30):.2f})."
    )


def _file(path: Path) -> str:
    return f"```\n{path.read_text(encoding='utf-8')}```\n" if path.is_file() else ""


def _left_out(lines: list[Line]) -> str:
    told = [f"- {line['what']}: {line['why']}\n" for line in lines if line["kind"] == "skipped"]
    told += [
        f"- {line['phase']}: {line['how']} after {line['took']} s\n"
        for line in lines
        if line["kind"] == "phase" and line["how"] != "done"
    ]
    return "## Left out, late, failed\n" + "".join(told) if told else ""


def _newest(lines: list[Line], *keys: str) -> list[Line]:
    """Return the last line of each kind, in the order in which kinds came first."""
    found: dict[Any, Line] = {}
    for line in lines:
        found[tuple(line[key] for key in keys)] = line
    return list(found.values())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = cli.parser(
        "python -m trainer.flagship.tables",
        "Print the tables of a flagship run from what its legs have measured.",
        ["python -m trainer.flagship.tables runs/flagship"],
    )
    parser.add_argument("state", type=Path, help="the state folder")
    return cli.run(_print, parser.parse_args(arguments))


def _print(arguments: argparse.Namespace) -> int:
    if not (arguments.state / SHARE).is_dir():
        raise UsageError(f"{arguments.state} is no flagship run's state folder (no {SHARE}); give one")
    print(page(State(arguments.state)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
