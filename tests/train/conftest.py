"""Networks this small learn on one thread: more cost more time than they save."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from unittest import mock

import pytest


@pytest.fixture(scope="package", autouse=True)
def one_thread() -> Iterator[None]:
    """Here, and in the processes that tests start."""
    with mock.patch.dict(os.environ, OMP_NUM_THREADS="1"):
        if find_spec("torch") is None:
            yield
            return
        import torch

        before = torch.get_num_threads()
        torch.set_num_threads(1)
        yield
        torch.set_num_threads(before)
