import pytest
import torch


@pytest.fixture(autouse=True)
def _one_thread():
    """Small tensors: more threads only wait for one another, and results would depend on their number."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
