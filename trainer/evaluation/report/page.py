"""Results, pictures and films in, one self-contained HTML page out: no file beside it, no network."""

import base64
import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trainer.evaluation.report import offline, paper, table

STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 1180px; padding: 0 1rem; color: #222; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; }
h2 { margin-top: 2.4rem; border-top: 1px solid #ddd; padding-top: 1rem; }
table { border-collapse: collapse; margin: .8rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .5rem; text-align: right; border-bottom: 1px solid #e5e5e5; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } thead th { border-bottom: 2px solid #999; }
tr.model { font-weight: 600; background: #eef5fb; } .wide { overflow-x: auto; font-size: .86rem; }
figure { display: inline-block; margin: .4rem .6rem .4rem 0; vertical-align: top; } img { max-width: 100%; }
figure img.curve { width: 555px; } figcaption { color: #666; font-size: .85rem; }
code { background: #f4f4f4; padding: .1rem .3rem; overflow-wrap: anywhere; } .note { color: #666; font-size: .9rem; }
details { margin: .6rem 0; }
""".strip()
CAPTIONS = {
    "curves": "score by steps in context, with 95 % bands over worlds",
    "entropy": "how spread the agent's choices are",
    "worlds": "every world, by steps in context",
    "first": "its first whole episode in the first world",
    "last": "its last one there",
}


def page(
    results: dict[str, Any],
    pictures: dict[str, dict[str, Path]],
    shown: dict[str, Any] | None = None,
    notes: Sequence[str] = (),
) -> str:
    """Return the page.

    Args:
        results: What results.json holds.
        pictures: By suite and kind (``CAPTIONS``), PNG and GIF files.
        shown: What demonstrations.json holds, where there are such results.
        notes: Paragraphs at the beginning.
    """
    agent = results["agent"]
    context = "" if agent["context"] is None else f" at a context of {agent['context']} rows"
    parts = [
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>In-context evaluation</title>",
        "<meta name='viewport' content='width=device-width'>",
        f"<style>{STYLE}</style><h1>In-context evaluation</h1>",
        f"<p>Agent <code>{_text(agent['path'])}</code>, trained on "
        f"{_text(', '.join(results['families']) or 'unknown families')}"
        f"{_text(context)}; weights frozen.</p>",
        f"<p><code>{_text(results['command'])}</code></p>",
        "<p class='note'>Scores: 0 is random play, 1 the oracle. ± is half a 95 % interval over worlds.</p>",
        *(f"<p>{_text(note)}</p>" for note in notes),
        _table1(results),
        "" if shown is None else _table2(shown),
    ]
    for name, entry in results["suites"].items():
        parts.append(_suite(name, entry, pictures.get(name, {})))
    if results.get("skipped"):
        lines = "".join(f"<li>{_text(name)}: {_text(why)}</li>" for name, why in results["skipped"].items())
        parts.append(f"<h2>Skipped</h2><ul>{lines}</ul>")
    return "\n".join(parts) + "\n"


def _table1(results: dict[str, Any]) -> str:
    headings, lines = paper.rows([results])
    shown = _rows(headings, lines)
    return (
        f"<h2>Beside the paper's Table 1</h2><div class='wide'>{shown}</div><p class='note'>{_text(paper.LEGEND)}</p>"
    )


def _table2(shown: dict[str, Any]) -> str:
    told = f"<h2>Beside the paper's Table 2</h2><div class='wide'>{_rows(*offline.rows(shown))}</div>"
    return f"{told}<p class='note'>{_text(offline.LEGEND)} <code>{_text(shown['command'])}</code></p>"


def _suite(name: str, entry: dict[str, Any], pictures: dict[str, Path]) -> str:
    settings, known = entry["settings"], entry["references"]
    headings, lines = table.cells(entry, more=True)
    left = entry["left_out"]
    facts = (
        f"{_text(entry['about'])}. {settings['worlds']} worlds, {settings['steps']} steps each, "
        f"{_text(settings['beginning'])}; {left['count']} left out by step ({_text(left['rule'])}). References "
        f"{_text(known['how'])}: oracle {known['oracle_return']:.3g} (standard error {known['oracle_error']:.2g}), "
        f"random {known['random_return']:.3g} ({known['random_error']:.2g}) per episode. "
        f"{settings['steps_per_second']:,} steps/s."
    )
    figures = "".join(_figure(kind, path) for kind, path in pictures.items())
    told = "".join(
        f"<tr><td>{_text(key)}</td><td style='text-align:left;white-space:normal'>{_text(value)}</td></tr>"
        for key, value in settings.items()
    )
    return (
        f"<h2 id='{_text(name)}'>{_text(name)}</h2><p>{facts}</p>"
        f"<div class='wide'>{_rows(headings, lines, 'model')}</div>{figures}"
        f"<details><summary>settings</summary><table>{told}</table></details>"
    )


def _rows(headings: Sequence[str], lines: Sequence[Sequence[str]], first: str = "") -> str:
    head = "".join(f"<th>{_text(heading)}</th>" for heading in headings)
    body = "".join(
        f"<tr class='{first if place == 0 else ''}'>" + "".join(f"<td>{_text(cell)}</td>" for cell in line) + "</tr>"
        for place, line in enumerate(lines)
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _figure(kind: str, path: Path) -> str:
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    form, shown = path.suffix[1:], "curve" if path.suffix == ".png" else "film"
    caption = _text(CAPTIONS[kind])
    return (
        f"<figure><img class='{shown}' alt='{caption}' src='data:image/{form};base64,{data}'>"
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _text(value: Any) -> str:
    return html.escape(str(value), quote=True)
