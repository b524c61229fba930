"""Phase ``share``: what leaves the machine: weights in files under 16 MB, card, metrics, tables; small, and whole."""

import shutil

from trainer.checkpoints.folder import LATEST, chosen, step_of
from trainer.checkpoints.model import load_model
from trainer.checkpoints.sharded import export_sharded
from trainer.export import card_of
from trainer.flagship import tables
from trainer.flagship.judge import results_of
from trainer.flagship.stages import newest_run
from trainer.flagship.worker import Work

SCORES = ("best", "asymptote", "success", "by_episode")


def run(work: Work) -> None:
    """Write FOLDER/share."""
    share, run = work.state.share, newest_run(work.state)
    for path in sorted(work.state.runs.glob("*")):
        for name in ("metrics.jsonl", "run.json"):
            if (path / name).is_file():
                shutil.copyfile(path / name, share / f"{path.name}-{name}")
    if run is not None:
        found = chosen(run, LATEST, work.say)
        assert found is not None
        card = card_of(run, *found) | {"stage": run.name, "machine": work.state.settings().get("machine")}
        results = results_of(work.state, "results.json")
        if results:
            suites = results["suites"].items()
            card["scores"] = {name: {key: one["model"].get(key) for key in SCORES} for name, one in suites}
        index = export_sharded(load_model(run, str(step_of(found[0]))), share / "agent", card)
        work.state.note("shared", index=index.name, stage=run.name, step=step_of(found[0]))
        work.say(f"  weights of {run.name}, step {step_of(found[0])}: {index}")
    page = tables.page(work.state)
    (share / "tables.md").write_text(page, encoding="utf-8")
    shutil.copyfile(work.state.folder / "journal.jsonl", share / "journal.jsonl")
    work.say(f"  tables: {share / 'tables.md'}")
