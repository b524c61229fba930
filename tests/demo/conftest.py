from collections.abc import Callable
from pathlib import Path

import pytest

from tests.dashboard import examples


@pytest.fixture
def example_run() -> Callable[[Path], Path]:
    """Return what writes a training run in the documented format."""
    return examples.run
