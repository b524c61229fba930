"""What a device can do at best, measured and not looked up: matrix products, copies of memory, starts of kernels."""

import platform
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch


def facts(device: torch.device) -> dict[str, Any]:
    """Return what the device and the software are."""
    told: dict[str, Any] = {
        "device": device.type,
        "name": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "triton": _version("triton"),
        "fla": _version("fla"),
    }
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        told |= {
            "name": properties.name,
            "bytes": properties.total_memory,
            "processors": properties.multi_processor_count,
            "capability": f"{properties.major}.{properties.minor}",
            "cuda": torch.version.cuda,
        }
    return told


def _version(package: str) -> str | None:
    try:
        return str(__import__(package).__version__)
    except Exception as error:  # a package that is there and broken is worth a word, too
        return f"none ({type(error).__name__})"


def seconds(work: Callable[[], Any], device: torch.device, least: float = 0.3, most: int = 200) -> float:
    """Return the median seconds of a piece of work, after two that are not counted."""
    for _ in range(2):
        work()
    synchronise(device)
    taken: list[float] = []
    while len(taken) < 3 or (sum(taken) < least and len(taken) < most):
        began = time.perf_counter()
        work()
        synchronise(device)
        taken.append(time.perf_counter() - began)
    return sorted(taken)[len(taken) // 2]


def synchronise(device: torch.device) -> None:
    """Wait for what the device was given to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def matmul_rates(
    shapes: Sequence[tuple[int, int, int]], device: torch.device, dtype: torch.dtype = torch.bfloat16
) -> list[dict[str, Any]]:
    """Return operations a second of products (rows, inner) x (inner, columns), a line for each shape."""
    lines = []
    for rows, inner, columns in shapes:
        a = torch.randn(rows, inner, device=device, dtype=torch.float32).to(dtype)
        b = torch.randn(inner, columns, device=device, dtype=torch.float32).to(dtype)
        out = torch.empty(rows, columns, device=device, dtype=dtype)
        took = seconds(lambda a=a, b=b, out=out: torch.mm(a, b, out=out), device)  # type: ignore[misc]
        work = 2.0 * rows * inner * columns
        lines.append({"rows": rows, "inner": inner, "columns": columns, "dtype": _name(dtype), "rate": work / took})
    return lines


def copy_rate(size: int, device: torch.device) -> float:
    """Return bytes a second, read and written counted both, of copying ``size`` bytes inside the device."""
    source = torch.zeros(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2.0 * size / seconds(lambda: target.copy_(source), device)


def upload_rate(size: int, device: torch.device) -> dict[str, float]:
    """Return bytes a second from ordinary and from pinned memory of the host to the device."""
    source = torch.zeros(size, dtype=torch.uint8)
    rates = {"pageable": size / seconds(lambda: source.to(device, copy=True), device)}
    if device.type == "cuda":
        pinned = source.pin_memory()
        rates["pinned"] = size / seconds(lambda: pinned.to(device, non_blocking=True), device)
    return rates


def launch_seconds(device: torch.device, count: int = 200) -> float:
    """Return the seconds that one small operation takes from Python, hundreds in a row."""
    x = torch.zeros(16, device=device)

    def work() -> None:
        for _ in range(count):
            x.add_(1.0)

    return seconds(work, device, least=0.1) / count


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
