"""What a table says of the training, and of failed networks."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from fastfuse.train.conclude import _advice, _training
from fastfuse.train.options import make_options


def test_a_preset_as_it_is() -> None:
    assert _training(make_options("quick")) == "preset quick, 30 epochs of 16 steps"
    options = make_options("quick", None, ["seed=3", "evaluation.cut=0.3"])  # told elsewhere
    assert _training(options) == "preset quick, 30 epochs of 16 steps"


def test_what_is_not_as_the_preset_has_it() -> None:
    options = make_options("quick", None, ["training.epochs=2", "network.width=4", "training.batch=3"])
    assert _training(options) == "preset quick, 2 epochs of 16 steps (network.width=4, training.batch=3)"


def test_a_network_of_ones_own_is_named() -> None:
    options = make_options("paper", None, ["network.model=nets:make"])
    assert ", network nets:make" in _training(options)
    assert "network.start" not in _advice(options)
    assert "network.start=0.02" in _advice(make_options("paper"))
    assert "network.start" not in _advice(make_options("quick"))
