import pytest
import torch


@pytest.fixture(autouse=True)
def _one_thread():
    """Small tensors: more threads only wait for one another, and results would depend on their number."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


DATA_RECIPE = """
name = "test"
sequences = 64
length = 48
sequences_per_shard = 8
vocabulary = 6
actions = 3

[[families]]
family = "garnet"
[families.parameters]
n_states = [3, 6]
n_actions = [2, 3]

[[behaviours]]
kind = "random"

[[behaviours]]
kind = "oracle"
"""

TRAIN_RECIPE = """
name = "test"
steps = 40
batch = 6
log_every = 1

[model]
width = 16
layers = 2
heads = 2
inner = 24
window = 32

[optimiser]
warmup_steps = 3

[validation]
every = 20
sequences = 3

[checkpoint]
every = 10
"""


@pytest.fixture
def data_recipe(tmp_path):
    """Path of a data recipe: 64 sequences of 48 rows."""
    path = tmp_path / "data.toml"
    path.write_text(DATA_RECIPE)
    return path


@pytest.fixture
def train_recipe(tmp_path):
    """Path of a training recipe: 40 steps of a very small model."""
    path = tmp_path / "train.toml"
    path.write_text(TRAIN_RECIPE)
    return path
