"""Phase ``machine``: what this machine is and can do at best; all that later phases are held against."""

import torch

from trainer.bench import ceilings
from trainer.flagship.worker import Work


def run(work: Work) -> None:
    """Measure the ceilings and keep them."""
    facts = ceilings.facts(work.device)
    dtypes = (torch.bfloat16, torch.float32) if work.device.type == "cuda" else (torch.float32,)
    products = [line for dtype in dtypes for line in ceilings.matmul_rates(work.scale.matmul, work.device, dtype)]
    peak = max(line["rate"] for line in products if line["dtype"] == products[0]["dtype"])
    measured = {
        "matmul": products,
        "peak": peak,
        "peak_dtype": products[0]["dtype"],
        "copy": ceilings.copy_rate(work.scale.copied, work.device),
        "upload": ceilings.upload_rate(min(work.scale.copied, 256 << 20), work.device),
        "launch_seconds": ceilings.launch_seconds(work.device),
    }
    work.state.note("machine", facts=facts, **measured)
    work.state.keep(peak=peak, machine=facts["name"])
    rate = f"{peak / 1e12:,.2f} T {measured['peak_dtype']} operations/s"
    work.say(f"{facts['name']}: {rate}, memory {measured['copy'] / 1e9:,.0f} GB/s")
