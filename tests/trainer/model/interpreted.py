"""flash-linear-attention's kernels beside our PyTorch forms without a GPU: Triton's interpreter runs them on the CPU.

    TRITON_INTERPRET=1 python tests/trainer/model/interpreted.py "gated delta rule"

It needs Triton (of the machine that is meant), fla-core and numpy below 2.4, and takes a minute. It proves names,
layouts and mathematics, gradients too; not the compiled code's. Two things are put in the way of neither: the
interpreter knows no methods of loop variables, and tuning asks for a GPU.
"""

import json
import re
import shutil
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))


def interpretable(folder: Path) -> None:
    """Copy the package to ``folder``, loop variables made tensors before a method of theirs is called."""
    spec = find_spec("fla")
    assert spec is not None and spec.submodule_search_locations
    shutil.copytree(next(iter(spec.submodule_search_locations)), folder / "fla")
    for path in folder.rglob("*.py"):
        text = path.read_text()
        changed = re.sub(r"(= )i_t\.to\(tl\.int64\)", r"\1(i_t + tl.full([], 0, tl.int64))", text)
        if changed != text:
            path.write_text(changed)
    sys.path.insert(0, str(folder))


class NoDriver:
    """Stands where a GPU's driver would."""

    def __getattr__(self, name: str) -> Any:
        import torch
        from triton.backends.compiler import GPUTarget

        known = {
            "get_current_target": lambda: GPUTarget("cpu", 0, 32),
            "get_active_torch_device": lambda: torch.device("cpu"),
            "get_benchmarker": lambda: lambda work, **options: 1.0,
            "get_device_interface": lambda: torch.cpu,
        }
        return known.get(name, lambda *arguments, **options: 0)


def main() -> None:
    """Print how far the kernel of each recurrence that is named is from its PyTorch form."""
    import triton.runtime
    from triton.runtime.autotuner import Autotuner

    triton.runtime.driver.set_active(NoDriver())
    begin = Autotuner.__init__

    def init(self: Any, fn: Any, arg_names: Any, configs: Any, *rest: Any, **options: Any) -> None:
        begin(self, fn, arg_names, configs[:1], *rest, **options)

    Autotuner.__init__ = init
    with tempfile.TemporaryDirectory() as folder:
        interpretable(Path(folder))
        import trainer.model  # defines the forms
        from trainer.model import kernels

        assert trainer.model
        for name in sys.argv[1:] or kernels.KERNELS:
            kernel = kernels.KERNELS[name]
            off = kernels.parity(kernels.load(kernel, kernel.options[0]), kernels.FORMS[name], kernel, "cpu")
            print(json.dumps({"recurrence": name, "off": off}), flush=True)


if __name__ == "__main__":
    main()
