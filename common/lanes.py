"""Eight float64 side by side, for kernels: the same operations in the same order on every processor.

Without permission to reorder sums (fastmath) a compiler leaves a sum of products scalar. Kernels therefore say
themselves what is done eight at a time: each lane is a plain IEEE sum of its own, and ``total`` adds them up in a fixed
order. Processors with narrower registers do the same in several instructions.
"""
# mypy: disable-error-code="no-untyped-def"

from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic as _intrinsic
from numba.extending import models, register_model

ir: Any = cgutils.ir  # type: ignore[attr-defined]
intrinsic: Any = _intrinsic
LANES = 8
_INT32 = ir.IntType(32)
_VECTOR = ir.VectorType(ir.DoubleType(), LANES)


class _Lanes(types.Type):
    """Numba's type of ``LANES`` float64."""

    def __init__(self) -> None:
        super().__init__(name="Lanes")


_LANES = _Lanes()


@register_model(_Lanes)
class _LanesModel(models.PrimitiveModel):
    """Kept in a vector register."""

    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _VECTOR)


def _place(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:
    first = builder.gep(context.make_array(kind)(context, builder, array).data, [index])
    return builder.bitcast(first, _VECTOR.as_pointer())


def _load(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:
    return builder.load(_place(context, builder, kind, array, index), align=8)


def _splat(builder: Any, number: Any) -> Any:
    nothing = ir.Constant(_VECTOR, ir.Undefined)
    one = builder.insert_element(nothing, number, _INT32(0))
    return builder.shuffle_vector(one, nothing, ir.Constant(ir.VectorType(_INT32, LANES), [0] * LANES))


@intrinsic
def zeros(typing_context):
    """Return lanes of 0."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return ir.Constant(_VECTOR, [0.0] * LANES)

    return _LANES(), generate


@intrinsic
def store(typing_context, x, i, lanes):
    """Write lanes to ``x[i : i + LANES]``; x float64 contiguous, i uint64, not checked."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, index, value = arguments
        builder.store(value, _place(context, builder, signature.args[0], array, index), align=8)
        return context.get_dummy_value()

    return types.void(x, types.uint64, _LANES), generate


@intrinsic
def load(typing_context, x, i):
    """Return the lanes ``x[i : i + LANES]``; x float64 contiguous, i uint64, not checked."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _load(context, builder, signature.args[0], *arguments)

    return _LANES(x, types.uint64), generate


@intrinsic
def add_scaled(typing_context, lanes, factor, x, i):
    """Return ``lanes + factor * x[i : i + LANES]``, the product rounded before the sum."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        before, number, array, index = arguments
        loaded = _load(context, builder, signature.args[2], array, index)
        return builder.fadd(before, builder.fmul(_splat(builder, number), loaded))

    return _LANES(_LANES, types.float64, x, types.uint64), generate


@intrinsic
def add_product(typing_context, lanes, x, i, y, j):
    """Return ``lanes + x[i : i + LANES] * y[j : j + LANES]``, the products rounded before the sums."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        before, one, i_, other, j_ = arguments
        left = _load(context, builder, signature.args[1], one, i_)
        right = _load(context, builder, signature.args[3], other, j_)
        return builder.fadd(before, builder.fmul(left, right))

    return _LANES(_LANES, x, types.uint64, y, types.uint64), generate


@intrinsic
def splat(typing_context, number):
    """Return lanes of one number."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _splat(builder, arguments[0])

    return _LANES(types.float64), generate


@intrinsic
def multiply(typing_context, one, other):
    """Return the products, lane by lane."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fmul(*arguments)

    return _LANES(_LANES, _LANES), generate


@intrinsic
def add(typing_context, one, other):
    """Return the sums, lane by lane."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fadd(*arguments)

    return _LANES(_LANES, _LANES), generate


@intrinsic
def maximum(typing_context, one, other):
    """Return the larger, lane by lane."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        one, other = arguments
        return builder.select(builder.fcmp_ordered(">", one, other), one, other)

    return _LANES(_LANES, _LANES), generate


@intrinsic
def total(typing_context, lanes):
    """Return the sum of the lanes: halves are added lane by lane until one is left."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (value,) = arguments
        parts = [builder.extract_element(value, _INT32(i)) for i in range(LANES)]
        width = LANES
        while width > 1:
            width //= 2
            half = ir.VectorType(ir.DoubleType(), width)
            lower = ir.Constant(half, ir.Undefined)
            upper = ir.Constant(half, ir.Undefined)
            if width == 1:
                return builder.fadd(parts[0], parts[1])
            for i in range(width):
                lower = builder.insert_element(lower, parts[i], _INT32(i))
                upper = builder.insert_element(upper, parts[width + i], _INT32(i))
            sums = builder.fadd(lower, upper)
            parts = [builder.extract_element(sums, _INT32(i)) for i in range(width)]
        return parts[0]

    return types.float64(_LANES), generate
