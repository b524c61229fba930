"""Rooms and who may import whom: proved by parsing every import of the tree."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EVERYWHERE = {"numpy", "pydantic"}
ROOMS = {
    "common": {"common", "numba", "zarr", "zarrs", "obstore", "pyarrow", "gymnasium", "rich", "matplotlib"},
    "datagen": {"common", "datagen", "rich", "ray", "minari"},
    "trainer": {
        *("common", "trainer", "torch", "safetensors", "tensorboard", "rich", "gymnasium", "PIL", "matplotlib"),
        *("fla", "triton", "wandb", "mlflow", "stable_baselines3", "fastapi", "uvicorn"),
    },
    "deploy": {"common", "deploy", "fastapi", "starlette", "uvicorn", "prometheus_client", "pyarrow"},
}
ONLY_IN = {
    ("datagen", "ray"): "datagen/cluster/",
    ("common", "matplotlib"): "common/plots",
    ("trainer", "fastapi"): "trainer/serve",
    ("trainer", "uvicorn"): "trainer/serve",
    ("trainer", "triton"): "trainer/flagship/",
    ("trainer", "gymnasium"): "trainer/evaluation/",
    ("trainer", "PIL"): "trainer/evaluation/",
    ("trainer", "matplotlib"): "trainer/evaluation/",
}


def imports(path: Path) -> set[str]:
    """Return the top-level packages a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide who imports whom"
            found.add((node.module or "").split(".")[0])
    return found - set(sys.stdlib_module_names) - EVERYWHERE


def violations(room: str, path: str, packages: set[str]) -> list[str]:
    """Return what a file of ``room`` at ``path`` imports and may not."""
    wrong = [f"{path} imports {name}: not allowed in {room}/" for name in packages - ROOMS[room]]
    for name in packages & ROOMS[room]:
        place = ONLY_IN.get((room, name))
        if place and not path.startswith(place):
            wrong.append(f"{path} imports {name}: only {place} may")
    return wrong


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_import_only_what_they_may(room):
    files = sorted((ROOT / room).rglob("*.py"))
    assert files
    wrong = [w for f in files for w in violations(room, str(f.relative_to(ROOT)), imports(f))]
    assert not wrong, "\n".join(wrong)


def test_the_rules_can_be_broken(tmp_path):
    source = tmp_path / "x.py"
    source.write_text("def f():\n    from ray.util import x\n    import common.worlds, torch as t\n")
    assert imports(source) == {"ray", "common", "torch"}
    assert violations("common", "common/x.py", imports(source))
    assert violations("datagen", "datagen/x.py", {"ray"}) and not violations("datagen", "datagen/cluster/x.py", {"ray"})
    assert violations("deploy", "deploy/dashboard/x.py", {"trainer"})
