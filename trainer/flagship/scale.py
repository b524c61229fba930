"""How large everything of a flagship run is: the real thing for a GPU, and a rehearsal of all of it for a CPU."""

from typing import Literal

from common.config import Settings


class Stage(Settings):
    """A part of the curriculum: a training run of its own, begun with the weights of the one before."""

    name: str
    recipe: str
    """Training recipe."""
    data: str
    """Data recipe, generated while training."""
    share: float
    """Of the minutes of training."""
    updates_at_least: int = 20
    """A schedule needs some steps, however slow the machine."""


class Cell(Settings):
    """A model whose training is timed."""

    size: str
    """What the table calls it: the recipe that its sizes are from."""
    backbone: str
    layout: str = "transition"
    context: int
    settings: tuple[str, ...] = ()
    """``--set`` settings of the recipe beside backbone and layout."""


class Seconds(Settings):
    """What each phase may take at most; training gets what is left of a leg."""

    compile: float
    machine: float
    parity: float
    pick: float
    speed: float
    feed: float
    trace: float
    evaluate: float
    demonstrations: float
    share: float
    reserve: float
    """Kept at the leg's end: processes that do not end by themselves are killed in it."""


class Scale(Settings):
    """Sizes of a flagship run."""

    name: str
    seconds: Seconds
    stages: tuple[Stage, ...]
    overrides: tuple[str, ...] = ()
    """``--set`` settings of every stage's training recipe."""
    data_overrides: tuple[str, ...] = ()
    matmul: tuple[tuple[int, int, int], ...]
    """(rows, inner, columns) of the products whose peak is measured: a square one, then those of the models."""
    copied: int
    """Bytes of the copy that measures memory's bandwidth."""
    parity_lengths: tuple[int, ...]
    """Positions of the sequences on which blocks are compared."""
    parity_width: int
    rows: int
    """Rows of a timed pass."""
    timed: float
    """Seconds of timing a cell, at least."""
    cells: tuple[Cell, ...]
    workers: int
    """Loader processes."""
    tries: int = 2
    """Configurations that Triton tries of a kernel."""
    compiles: bool = True
    """Whether compiled blocks are tried; on a CPU compiling takes longer than the rehearsal."""
    suites: tuple[str, ...]
    worlds: int
    steps: int
    table2: tuple[str, ...]
    """Suites of the paper's Table 2."""
    table2_worlds: int
    table2_steps: int
    demonstrated: int
    """Episodes of each demonstration."""


BACKBONES = ("gated-delta-net", "transformer", "rwkv7")
TABLE_1 = (
    *("anymdp-16", "anymdp-32", "frozenlake", "frozenlake-slippery", "cliffwalking", "darkroom-6", "darkroom-8"),
    *("darkroom-10", "anymdp-64", "anymdp-128", "anymdp-1", "garnet-16", "garnet-64", "pendulum-g1", "pendulum-g5"),
    *("pendulum-g9.8", "switch2"),
)
TABLE_2 = ("frozenlake-slippery", "cliffwalking", "pendulum-g5", "darkroom-10")


def _cells() -> tuple[Cell, ...]:
    """Return the table's cells, what matters most first: a leg that ends early has those."""
    pairs = [(size, backbone) for size in ("small", "paper") for backbone in BACKBONES]
    cells = [Cell(size=size, backbone=backbone, context=8192) for size, backbone in pairs]
    cells += [
        Cell(size=size, backbone=backbone, layout="podtaw", context=8192)
        for size, backbone in pairs
        if backbone != "rwkv7"
    ]
    cells += [
        Cell(size=size, backbone=backbone, context=context) for context in (65536, 1024) for size, backbone in pairs
    ]
    # the whole context in view, on the attention kernels that need no mask
    whole = ("model.window=8192", "segment=8192")
    return (*cells, Cell(size="small", backbone="transformer", context=8192, settings=whole))


FULL = Scale(
    name="full",
    seconds=Seconds(
        compile=75,
        machine=20,
        parity=45,
        pick=60,
        speed=90,
        feed=30,
        trace=30,
        evaluate=90,
        demonstrations=40,
        share=20,
        reserve=12,
    ),
    stages=(
        Stage(name="1-easy", recipe="flagship-easy", data="flagship-easy", share=0.35, updates_at_least=400),
        Stage(name="2-anymdp", recipe="flagship", data="flagship", share=0.65, updates_at_least=400),
    ),
    matmul=((8192, 8192, 8192), (131072, 256, 768), (131072, 512, 1536), (131072, 512, 1024), (131072, 1024, 512)),
    copied=2 << 30,
    parity_lengths=(64, 1024, 1000),
    parity_width=256,
    rows=131_072,
    timed=1.5,
    cells=_cells(),
    workers=8,
    suites=TABLE_1,
    worlds=64,
    steps=8192,
    table2=TABLE_2,
    table2_worlds=32,
    table2_steps=8192,
    demonstrated=100,
)
"""For one H100 or H200: 16 cores, legs of about ten minutes."""

SMALL = Scale(
    name="small",
    seconds=Seconds(
        compile=45,
        machine=25,
        parity=30,
        pick=25,
        speed=40,
        feed=60,
        trace=40,
        evaluate=40,
        demonstrations=30,
        share=25,
        reserve=4,
    ),
    stages=(
        Stage(name="1-easy", recipe="flagship-easy", data="flagship-easy", share=0.35, updates_at_least=4),
        Stage(name="2-anymdp", recipe="flagship", data="flagship", share=0.65, updates_at_least=4),
    ),
    overrides=(
        *("precision='fp32'", "compile=false", "batch=4", "segment=64", "log_every=1", "checkpoint.every=2"),
        *("model.layers=1", "model.width=32", "model.heads=2", "model.inner=32", "model.head_size=16"),
        *("validation.every=4", "validation.sequences=2", "validation.batch=2", "optimiser.warmup_steps=1"),
    ),
    data_overrides=("length=128",),
    matmul=((256, 256, 256), (512, 32, 96)),
    copied=1 << 22,
    parity_lengths=(33,),
    parity_width=32,
    rows=128,
    timed=0.05,
    cells=(
        *(Cell(size="tiny", backbone=backbone, context=64) for backbone in BACKBONES),
        Cell(size="tiny", backbone="gated-delta-net", layout="podtaw", context=64),
        Cell(size="tiny", backbone="transformer", context=256, settings=("model.window=16", "segment=64")),
    ),
    workers=1,
    compiles=False,
    suites=("anymdp-16", "frozenlake", "cliffwalking", "switch2"),
    worlds=2,
    steps=48,
    table2=("frozenlake",),
    table2_worlds=2,
    table2_steps=48,
    demonstrated=1,
)
"""A rehearsal: every phase for real, in about a minute of a CPU."""

SCALES: dict[Literal["full", "small"], Scale] = {"full": FULL, "small": SMALL}
