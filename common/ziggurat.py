"""Tables of the ziggurat: the normal density cut into layers of equal area, from which a normal costs one comparison.

Source: Marsaglia and Tsang, "The Ziggurat Method for Generating Random Variables" (2000), with 256 layers. Worked out
in decimal arithmetic, which rounds correctly on every machine, in 10 ms at import.
"""

from decimal import Decimal, localcontext
from itertools import pairwise

import numpy as np

LAYERS = 256
_TAIL = "3.6541528853610087716454297204"
"""Where the lowest layer ends and the tail begins: the topmost layer then ends at the density's peak."""
_AREA = "0.0049286732339746553473617754"
"""Area of a layer (of the lowest: with the tail) under exp(-x^2 / 2), x > 0."""
TAIL = float(_TAIL)


def _tables() -> tuple[np.ndarray, ...]:
    with localcontext() as context:
        context.prec = 28
        tail, area = Decimal(_TAIL), Decimal(_AREA)
        # the lowest layer is drawn as a rectangle of its area; what falls beyond TAIL is drawn from the tail
        edge = [area / _density(tail), tail]
        while len(edge) < LAYERS:
            edge.append((-2 * (area / edge[-1] + _density(edge[-1])).ln()).sqrt())
        edge.append(Decimal(0))
        density = [_density(x) for x in edge]
        rise = [upper - lower for lower, upper in pairwise(density)]
        columns = ([x / 2**52 for x in edge[:-1]], edge[1:], density[:-1], rise)
        return tuple(np.array([float(x) for x in column]) for column in columns)


def _density(x: Decimal) -> Decimal:
    return (-x * x / 2).exp()


WIDTH, INNER, DENSITY, RISE = _tables()
"""(LAYERS,) float64 each, by layer from the lowest: half its width times 2**-52, half the width of the layer above, the
density at its lower edge (its outer end) and the rise to its upper."""
