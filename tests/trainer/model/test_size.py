"""One dial: what follows from the number of layers, and what may be set apart."""

import pytest
from pydantic import ValidationError

from trainer.model.config import ModelConfig, ModelSize
from trainer.model.size import adamw_learning_rate, reasons


@pytest.mark.parametrize(
    ("layers", "width", "heads", "inner"), [(3, 64, 2, 128), (10, 256, 4, 512), (18, 512, 8, 1024), (1, 64, 2, 128)]
)
def test_sizes_follow_from_the_layers(layers: int, width: int, heads: int, inner: int) -> None:
    size = ModelSize(layers=layers)
    assert (size.width, size.heads, size.inner, size.head_size) == (width, heads, inner, width // heads)


def test_what_is_set_stays_and_the_rest_follows_from_it() -> None:
    size = ModelSize(layers=18, width=96, inner=100)
    assert (size.width, size.heads, size.inner) == (96, 3, 100)
    assert ModelSize.model_validate(size.model_dump()) == size
    assert ModelConfig(vocabulary=6, actions=3, **size.model_dump()).head_size == 32


@pytest.mark.parametrize("wrong", [{"width": 30, "heads": 4}, {"width": 6, "heads": 2}, {"layers": 0}, {"width": "x"}])
def test_sizes_that_do_not_fit_are_refused(wrong: dict) -> None:
    with pytest.raises(ValidationError):
        ModelSize(**wrong)


def test_every_size_is_printed_with_its_reason() -> None:
    lines = reasons(layers=18, width=512, heads=8, head_size=48, inner=1024)
    assert any("width" in line and "28 a layer" in line for line in lines)
    assert any("head size" in line and "set (the dial gives 64" in line for line in lines)
    assert adamw_learning_rate(64) == 3e-3 and adamw_learning_rate(512) == pytest.approx(3.75e-4)
