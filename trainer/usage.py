"""How much of the machine a rank uses: the clocks of its process and device in, a metrics line's values out."""

import contextlib
import resource
import sys
import time

import torch

RSS_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes in a unit of ``ru_maxrss``: the kernels differ."""


class Usage:
    """Of one rank; processor time is counted from line to line.

    Args:
        device: Where the model is.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._wall, self._processor = time.perf_counter(), time.process_time()

    def values(self) -> dict[str, float]:
        """Return what was used since the last call.

        ``cpu_cores``: processor seconds a second, all threads of the process together; ``memory_bytes``: the most the
        process has held; with CUDA ``gpu_memory_bytes``, the most its tensors have held, and ``gpu_use``, the share of
        the last moment in which the GPU was at work (where nvidia-ml-py is installed).
        """
        wall, processor = time.perf_counter(), time.process_time()
        cores = (processor - self._processor) / max(1e-9, wall - self._wall)
        self._wall, self._processor = wall, processor
        held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT
        values = {"cpu_cores": cores, "memory_bytes": float(held)}
        if self._device.type == "cuda":
            values["gpu_memory_bytes"] = float(torch.cuda.max_memory_allocated(self._device))
            with contextlib.suppress(ModuleNotFoundError):
                values["gpu_use"] = torch.cuda.utilization(self._device) / 100
        return values
