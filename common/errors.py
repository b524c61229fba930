"""The two kinds of error a user meets: a wrong request (exit 2) and a broken product (exit 1).

Every message says the rule, the offending value and the remedy.
"""


class UsageError(ValueError):
    """The request cannot be carried out as asked; nothing was touched. Commands exit with 2."""


class NoWorldError(UsageError):
    """No world satisfies a family's settings, or too few do to find one."""


class DataError(RuntimeError):
    """Something stored is missing, damaged or contradicts itself. Commands exit with 1."""
