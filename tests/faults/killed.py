"""Runs ``datagen run`` again and again in forks of itself and kills them at given moments; prints what it did.

A fork has everything loaded and compiled, so the moments fall into the work and not into the start. They are told in
units of the time that the first fork took to its fifth shard, on this machine and under its load.

    python killed.py OUT 0.1,0.25,... KEY=VALUE ...
"""

import json
import os
import signal
import sys
import time

from common.dataset.reader import existing_header, open_stored
from common.dataset.store import open_store
from common.synthesis.generate import generate
from common.synthesis.recipe import load
from datagen.run import run


def main() -> None:
    out, moments, overrides = sys.argv[1], [float(part) for part in sys.argv[2].split(",")], sys.argv[3:]
    recipe = load("tiny", overrides)
    generate(recipe, 0, 2)  # compiles
    seen = []
    unit = None
    for moment in [None, *moments]:
        begun = time.monotonic()
        child = os.fork()
        if not child:
            os.setsid()
            try:
                run(recipe, out, executor="inline")
            finally:
                os._exit(0)
        if unit is None:
            while len(committed(out)) < 5:
                time.sleep(0.01)
            unit = time.monotonic() - begun
        else:
            time.sleep(moment * unit)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        seen.append({"killed": os.WIFSIGNALED(status), "committed": committed(out)})
    print("\n" + json.dumps(seen))


def committed(out: str) -> list[int]:
    if existing_header(open_store(out)) is None:
        return []
    return sorted(open_stored(out).committed())


if __name__ == "__main__":
    main()
