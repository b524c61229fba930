"""The demo's report: one HTML file that holds its pictures, tables and figures, and needs nothing beside itself."""

import base64
import html
from collections.abc import Sequence
from pathlib import Path

from common import plots
from deploy.dashboard.models import Metrics
from deploy.demo.facts import Facts, read_run
from deploy.demo.plan import DemoSettings

STYLE = """
body { font: 16px/1.55 system-ui, sans-serif; max-width: 62rem; margin: 2.5rem auto; padding: 0 1.2rem; color: #1a1e26;
  background: #fff; }
h1 { font-size: 1.7rem; letter-spacing: -.01em; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
.verdict { padding: .8rem 1.1rem; border-radius: 10px; font-weight: 600; }
.pass { background: #dcf2e8; color: #14734f; } .miss { background: #fce4e8; color: #a5243b; }
table { border-collapse: collapse; }
th { text-align: left; font-weight: 500; color: #5b6472; padding: .25rem 1.6rem .25rem 0; }
th, td { vertical-align: top; border-bottom: 1px solid #e7e9ee; }
pre { overflow-x: auto; font-size: .78rem; line-height: 1.3; background: #f5f6f8; padding: 1rem; border-radius: 10px; }
figure { display: inline-block; margin: 0 1rem 1rem 0; } img { max-width: 100%; width: 29rem; }
.training img { width: 58rem; }
code { background: #f5f6f8; padding: .1rem .35rem; border-radius: 5px; }
"""


def pictures(settings: DemoSettings) -> list[Path]:
    """Return the pictures of the evaluation, in the order of the suites, and one of the training, which is drawn."""
    found = [settings.evaluation / f"curves-{suite}.png" for suite in settings.suites]
    _, metrics = read_run(settings.run)
    training = draw_training(metrics, settings.out / "training.png")
    return [path for path in (*found, training) if path is not None and path.exists()]


def draw_training(metrics: Metrics, path: Path) -> Path | None:
    """Draw the losses by head, and the policy loss on unseen worlds; None where there is nothing to draw."""
    if not metrics.train["step"]:
        return None
    figure, (left, right) = plots.figure(columns=2, width=5.2, height=3.6)
    heads = {"loss_policy": "policy", "loss_observation": "observation", "loss_reward": "reward", "loss_break": "break"}
    for (name, label), colour in zip(heads.items(), plots.COLOURS, strict=False):
        if name in metrics.train:
            left.plot(_numbers(metrics.train["step"]), _numbers(metrics.train[name]), label=label, color=colour)
    for (name, values), colour in zip(metrics.validation.items(), plots.COLOURS, strict=False):
        right.plot(
            _numbers(values["step"]), _numbers(values.get("loss_policy", [])), label=name, color=colour, marker="o"
        )
    left.set(title="training loss by head", xlabel="optimiser steps")
    right.set(title="policy loss, unseen worlds", xlabel="optimiser steps")
    for axes in (left, right):
        if axes.get_lines():
            axes.legend()
    plots.save(figure, path)
    return path


def write_report(settings: DemoSettings, found: Facts, missed: Sequence[str], shown: Sequence[Path]) -> Path:
    """Write ``report.html``; return its path.

    Args:
        settings: The demo's.
        found: Its figures.
        missed: Why the gate is missed; empty where it is passed.
        shown: Pictures to put in.
    """
    verdict = "The gate is missed: " + "; ".join(missed) if missed else "The gate is passed."
    rows = "".join(f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>" for name, value in found)
    table = settings.evaluation / "table.txt"
    scores = html.escape(table.read_text(encoding="utf-8")) if table.exists() else "no table"
    body = f"""<h1>omnirl demo: random worlds in, an agent that learns in context out</h1>
<p class="verdict {"miss" if missed else "pass"}">{html.escape(verdict)}</p>
<h2>Learning in context, weights frozen, worlds never seen</h2>
{"".join(_picture(path) for path in shown)}
<h2>Scores</h2><pre>{scores}</pre>
<h2>Figures</h2><table>{rows}</table>
<p>All of it, live: <code>{html.escape(settings.dashboard)}</code></p>"""
    path = settings.out / "report.html"
    head = f'<meta charset="utf-8"><title>omnirl demo</title><style>{STYLE}</style>'
    path.write_text(f"<!doctype html><html lang='en'><head>{head}</head><body>{body}</body></html>\n", encoding="utf-8")
    return path


def _picture(path: Path) -> str:
    data = base64.b64encode(path.read_bytes()).decode()
    name = html.escape(path.stem)
    return f'<figure class="{name}"><img alt="{name}" src="data:image/png;base64,{data}"></figure>'


def _numbers(values: Sequence[float | None]) -> list[float]:
    return [float("nan") if value is None else value for value in values]
