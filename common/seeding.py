"""Every seed of the project: (run seed, purpose, index) in, one 64-bit seed out.

The purpose sits in the two highest bits, so seeds of different purposes can never be equal: an evaluation world is
never a training world. Within a purpose, an index that differs gives a seed that differs (the mixing is a bijection
of 62 bits).
"""

from enum import IntEnum

_MASK_62 = (1 << 62) - 1
_MASK_64 = (1 << 64) - 1
_STREAMS = 0x5DEECE66D2545F49


class Purpose(IntEnum):
    """What a seed is for."""

    TRAIN = 0
    VALIDATE = 1
    EVALUATE = 2
    OTHER = 3
    """Anything that draws no world: shuffling, initial weights, masking."""


def derive_seed(run_seed: int, purpose: Purpose, index: int) -> int:
    """Return the seed of item ``index`` of a run, in [0, 2**64).

    Args:
        run_seed: The run's seed, any integer >= 0.
        purpose: Occupies the two highest bits of the result.
        index: Which item, >= 0, below 2**62.

    Raises:
        ValueError: ``run_seed`` or ``index`` is out of range.
    """
    if run_seed < 0 or not 0 <= index <= _MASK_62:
        raise ValueError(f"run seed must be >= 0 and index in [0, 2**62), got {run_seed} and {index}")
    key = splitmix64(run_seed & _MASK_64)
    return (int(purpose) << 62) | (_mix_62((index + key) & _MASK_62))


def stream_seed(seed: int, stream: int) -> int:
    """Return the seed of one of an item's independent streams of random numbers, in [0, 2**64).

    Args:
        seed: The item's seed.
        stream: Its number, >= 0.
    """
    return splitmix64((splitmix64(seed ^ _STREAMS) + stream) & _MASK_64)


def splitmix64(value: int) -> int:
    """Return the splitmix64 output for state ``value`` (Steele et al., 2014)."""
    value = (value + 0x9E3779B97F4A7C15) & _MASK_64
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK_64
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK_64
    return value ^ (value >> 31)


def _mix_62(value: int) -> int:
    """Mix 62 bits bijectively: odd multiplications and right xor-shifts, both invertible modulo 2**62."""
    value = (value * 0x9E3779B97F4A7C15) & _MASK_62
    value ^= value >> 29
    value = (value * 0xBF58476D1CE4E5B9) & _MASK_62
    value ^= value >> 31
    value = (value * 0x94D049BB133111EB) & _MASK_62
    return value ^ (value >> 30)
